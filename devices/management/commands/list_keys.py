"""List the keys by fingerprint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from devices import clock, keys
from devices.models import ApiKey

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator
    from datetime import datetime


class Command(BaseCommand):
    help = (
        "Lists keys with fingerprint, kind, what they are for, name, creation time, state, the hour of "
        "last use, and when and why they were last refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--kind", choices=ApiKey.Kind.values)

    def handle(self, *args: Any, **options: Any) -> None:
        for line in list_keys(options["kind"], clock.now()):
            self.stdout.write("\t".join(line))


def list_keys(kind: str | None, at: datetime) -> Iterator[list[str]]:
    listed = ApiKey.objects.select_related("device", "fleet", "organization").order_by("created_at", "pk")
    for key in listed.filter(kind=kind) if kind else listed:
        yield [
            keys.fingerprint(key),
            key.kind,
            purpose(key),
            key.name,
            format_moment(key.created_at),
            state(key, at),
            format_moment(key.last_used_at),
            f"{format_moment(key.last_refused_at)} {key.last_refused_reason}".strip(),
        ]


def format_moment(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


def purpose(key: ApiKey) -> str:
    if key.device:
        return key.device.uuid
    if key.fleet:
        return key.fleet.slug
    return key.organization.slug if key.organization else "site-wide"


def state(key: ApiKey, at: datetime) -> str:
    if key.revoked_at:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at <= at else "live"
