"""Delete the former keys of devices that were deleted long ago; `settle --watch` does it daily."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from devices import keys


class Command(BaseCommand):
    help = f"Deletes key hashes of devices that were deleted more than {keys.FORMER_KEPT.days} days ago."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{keys.forget_former()} hashes deleted")
