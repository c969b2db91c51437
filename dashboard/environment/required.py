"""The settings that production requires, and how to create each; one error names all that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SHORTEST_SECRET: Final = 50  # characters
GENERATE: Final = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
# By variable: what it does, and a command or an example that gives a value.
SETTINGS: Final = {
    "SECRET_KEY": (
        f"signs sessions and links, and nobody else may know it; {SHORTEST_SECRET} characters or more",
        GENERATE,
    ),
    "KEY_PEPPER": (
        "signs devices' keys: with another one all need new keys; 32 characters or more, not SECRET_KEY's",
        GENERATE,
    ),
    "ALLOWED_HOSTS": (
        "holds the names by which people and devices reach this site, with commas between them",
        "ALLOWED_HOSTS=lookout.example,10.0.0.7",
    ),
}
TRIAL: Final = "To try it on this machine alone, set LOCAL=1 instead: then all of this is generated."


def require(environment: Mapping[str, str], files: Mapping[str, str], *, local: bool) -> None:
    """Check the environment; raises SystemExit with a message that names all that is missing or wrong.

    `files` has what is wrong with files of secrets (dashboard.environment.files), by the variable that names
    one. A trial on this machine (`local`) requires no setting.
    """
    missing = {
        name: fault
        for name in ({} if local else SETTINGS)
        if f"{name}_FILE" not in files and (fault := _fault(name, environment.get(name, "").strip(" ,")))
    }
    lines = [f"  {name} {fault}." for name, fault in files.items()]
    lines += [
        f"  {name} {fault}: it {SETTINGS[name][0]}.\n      {SETTINGS[name][1]}"
        for name, fault in missing.items()
    ]
    if lines:
        trial = [TRIAL] if missing else []
        raise SystemExit("\n".join(["Lookout cannot start: the environment lacks settings.", *lines, *trial]))


def _fault(name: str, value: str) -> str:
    if not value:
        return "is missing"
    if name == "SECRET_KEY" and len(value) < SHORTEST_SECRET:
        return f"has {len(value)} characters"
    return ""
