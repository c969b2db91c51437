"""Tell a site which WireGuard peers are connected, where the site's own environment is at hand."""

from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.vpn import wireguard
from devices.vpn.site import WrongSettings


class Command(BaseCommand):
    help = "Watches WireGuard on this machine. On other machines run python3 -m devices.vpn wireguard."
    requires_system_checks = ()  # it speaks HTTP, the database is not its business

    def add_arguments(self, parser: ArgumentParser) -> None:
        wireguard.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            wireguard.run(Namespace(**options))
        except WrongSettings as wrong:
            raise CommandError(str(wrong)) from wrong
