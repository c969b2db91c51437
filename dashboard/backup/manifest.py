"""What a backup says of itself: by it a restore refuses what it could not restore whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec
from django.conf import settings

NAME: Final = "manifest.json"
DUMP: Final = "dump"  # pg_dump's directory, beside the manifest


class Damaged(Exception):
    """A directory is no whole backup; the text says why, and what to do."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest of a backup, written last: a backup without one was cut off."""

    version: str  # of Lookout
    taken_at: str
    postgresql: int  # the major version of the server
    migrations: list[str]  # the newest of each app, as "app.name"
    roles: list[str]  # that have rights on tables, besides their owner
    rows: dict[str, int]  # by table
    peppers: list[str]  # digests
    secret_keys: list[str]  # digests
    files: dict[str, str]  # digests, by name below DUMP


def digest(kind: str, secret: str) -> str:
    """By what a secret is recognized and cannot be found."""
    return hashlib.sha256(f"lookout backup, {kind}: {secret}".encode()).hexdigest()


def peppers() -> list[str]:
    """The digests of the peppers of this site."""
    return [digest("pepper", pepper) for pepper in settings.KEY_PEPPER]


def secret_keys() -> list[str]:
    """The digests of the secret keys of this site, former ones too."""
    return [digest("secret key", key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def files(directory: Path) -> dict[str, str]:
    """The digest of each file in this directory, by name."""
    return {path.name: _digest_of(path) for path in sorted(directory.iterdir())}


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(directory: Path, manifest: Manifest) -> None:
    """Write the manifest of a backup whose other files are complete."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    (directory / NAME).write_bytes(text + b"\n")


def read(directory: Path) -> Manifest:
    """The manifest of the backup in this directory. Raises Damaged."""
    try:
        return msgspec.json.decode((directory / NAME).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise Damaged(
            f"{directory} has no {NAME}: it is no backup, or one that was cut off. Take another one."
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise Damaged(f"{directory / NAME} cannot be read: {error}. Take another backup.") from error


def check_files(directory: Path, manifest: Manifest) -> None:
    """Raise Damaged unless the files of the backup are those that were written."""
    for name, written in manifest.files.items():
        path = directory / DUMP / name
        if not path.is_file():
            raise Damaged(f"{path} is missing: the backup is not whole. Take another one.")
        if _digest_of(path) != written:
            raise Damaged(f"{path} is not as it was written: the backup is damaged. Take another one.")
