"""Revoke a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from devices import keys

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Revokes a key immediately."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", help="the key itself, or its fingerprint as list_keys shows it")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(revoke_key(options["key"]))


def revoke_key(text: str) -> str:
    """Revoke the key that `text` is or whose fingerprint it is; returns a sentence. Raises CommandError."""
    key = keys.named(text)
    if key is None:
        raise CommandError("There is no such key.")
    name = f"{key.kind} key {keys.fingerprint(key)}"
    return f"The {name} is revoked." if keys.revoke(key) else f"The {name} was already revoked."
