"""What production must be told, and how to make each: all that is missing is said at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SHORTEST_SECRET: Final = 50  # characters
MAKE: Final = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
# By name: what it is, and how one comes to it.
SETTINGS: Final = {
    "SECRET_KEY": (
        f"signs sessions and links, and nobody else may know it; {SHORTEST_SECRET} characters or more",
        MAKE,
    ),
    "KEY_PEPPER": (
        "signs devices' keys: with another one all need new keys; 32 characters or more, not SECRET_KEY's",
        MAKE,
    ),
    "ALLOWED_HOSTS": (
        "holds the names by which people and devices reach this site, with commas between them",
        "ALLOWED_HOSTS=lookout.example,10.0.0.7",
    ),
}
TRIAL: Final = "To try it on this machine alone, set LOCAL=1 instead: then all of this is generated."


def require(environment: Mapping[str, str]) -> None:
    """Raises SystemExit that names every one that is missing or too short."""
    wrong = {name: said for name in SETTINGS if (said := _wrong(name, environment.get(name, "").strip(" ,")))}
    if wrong:
        parts = [f"{name} {said}: it {SETTINGS[name][0]}." for name, said in wrong.items()]
        lines = [f"  {part}\n      {SETTINGS[name][1]}" for part, name in zip(parts, wrong, strict=True)]
        raise SystemExit("\n".join(["Lookout cannot start: the environment lacks settings.", *lines, TRIAL]))


def _wrong(name: str, value: str) -> str:
    if not value:
        return "is missing"
    if name == "SECRET_KEY" and len(value) < SHORTEST_SECRET:
        return f"has {len(value)} characters"
    return ""
