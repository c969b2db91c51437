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


def require(environment: Mapping[str, str]) -> None:
    """Check the environment; raises SystemExit with a message that names each missing or short setting."""
    faults = {
        name: fault for name in SETTINGS if (fault := _fault(name, environment.get(name, "").strip(" ,")))
    }
    if faults:
        parts = [f"{name} {fault}: it {SETTINGS[name][0]}." for name, fault in faults.items()]
        lines = [f"  {part}\n      {SETTINGS[name][1]}" for part, name in zip(parts, faults, strict=True)]
        raise SystemExit("\n".join(["Lookout cannot start: the environment lacks settings.", *lines, TRIAL]))


def _fault(name: str, value: str) -> str:
    if not value:
        return "is missing"
    if name == "SECRET_KEY" and len(value) < SHORTEST_SECRET:
        return f"has {len(value)} characters"
    return ""
