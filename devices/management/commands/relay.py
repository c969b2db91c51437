"""Relay the calls of a host to the API of a source, or end that (docs/balena.md, the relay)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from devices.models import Source
from devices.sources.addresses import NotAllowed
from devices.sources.relaying import HostRefused, set_relay


class Command(BaseCommand):
    help = "Relays the calls of a host to the API of a source, or ends that (docs/balena.md, the relay)"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organization", help="its slug")
        parser.add_argument("source", help="its name")
        parser.add_argument("--host", default="", help="which devices call; without it none is relayed")
        parser.add_argument("--to", default="", help="the API behind the proxy, such as http://api:80")

    def handle(self, *args: Any, **options: Any) -> None:
        named = Source.objects.filter(organization__slug=options["organization"], name=options["source"])
        if (source := named.first()) is None:
            raise CommandError("There is no source of that name in this organization.")
        try:
            set_relay(source=source, host=options["host"], to=options["to"])
        except (HostRefused, NotAllowed) as refused:
            raise CommandError(str(refused)) from refused
        words = f"Calls of {options['host']} are relayed." if options["host"] else "No call is relayed."
        self.stdout.write(f"{words} Each process knows it within 5 s.")
