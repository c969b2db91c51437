"""Secrets of a trial, generated once and kept in files of this machine, where the environment has none."""

import os
import secrets
import tempfile
from pathlib import Path


def kept_secret(path: Path) -> str:
    """The secret in this file, which only its owner may read; the first call generates and writes it.

    Processes that call at the same time get the same secret.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)  # mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)  # fails if another process was first, whose secret is used then
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
    return path.read_text().strip()
