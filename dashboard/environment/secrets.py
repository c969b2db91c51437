"""What the site keeps on this machine where nobody configured it: secrets made once."""

import os
import secrets
import tempfile
from pathlib import Path


def kept_secret(path: Path) -> str:
    """The secret in this file, made at the first call and for the owner's eyes only.

    Processes that call at the same time agree on one.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)  # mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)  # fails when another process was first: its secret stands
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
    return path.read_text().strip()
