"""python3 -m devices.vpn openvpn|wireguard: run on the VPN server's host, beside it."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser

from devices.vpn import openvpn, wireguard
from devices.vpn.site import WrongSettings


def main() -> None:
    parser = ArgumentParser(
        prog=("python3 -m devices.vpn"), description="Reports to the site which devices are connected."
    )
    kinds = parser.add_subparsers(required=True, metavar="openvpn|wireguard")
    for name, kind in (("openvpn", openvpn), ("wireguard", wireguard)):
        subparser = kinds.add_parser(name, description=kind.__doc__)
        kind.add_arguments(subparser)
        subparser.set_defaults(run=kind.run)
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)  # the journal adds the time
    try:
        options.run(options)
    except WrongSettings as wrong:
        sys.exit(str(wrong))
    except KeyboardInterrupt:
        pass


main()
