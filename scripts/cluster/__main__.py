"""A site on six machines, for a person to pull cables in, or to measure what a failure costs.

usage: python -m scripts.cluster [--devices 200] [FAILURE ...]

`make cluster` runs it. Three PostgreSQL 15 under Patroni and etcd, two machines of Lookout and HAProxy in
front run as real programs in network namespaces of this computer, and virtual devices poll through HAProxy.
It needs root. With names of failures it lets each of them happen, prints what it cost, and ends with 1 if a
heartbeat that was acknowledged is lost or a device was Offline. `all` means every failure. Everything that it
started ends with it; logs stay in var/cluster/logs.
"""

import argparse
import shutil
import signal
import sys

from scripts.cluster.console import converse
from scripts.cluster.failures import FAILURES, measure
from scripts.cluster.setting_up import cluster, first_code, say
from tests.system import network, postgres

PROGRAMS = ("etcd", "haproxy", "openssl")


def why_not() -> str:
    """Why this computer cannot do it; empty if it can."""
    missing = [f"{name} is not installed" for name in PROGRAMS if not shutil.which(name)]
    reasons = [reason for reason in (network.WHY_NOT, postgres.WHY_NOT, *missing) if reason]
    return ", ".join(reasons)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", type=int, default=200, help="default %(default)s")
    parser.add_argument("failures", nargs="*", choices=[*FAILURES, "all", []], metavar="FAILURE")
    options = parser.parse_args()
    if reason := why_not():
        print(
            f"The cluster cannot start here: {reason}.\n"
            "It makes network namespaces, so it needs root, and of Debian 12 the packages iproute2,\n"
            "iptables, curl, openssl, haproxy, etcd-server and postgresql-15.",
            file=sys.stderr,
        )
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = list(FAILURES) if "all" in options.failures else options.failures
    try:
        return run(options.devices, chosen)
    except KeyboardInterrupt:
        return 130


def run(devices: int, chosen: list[str]) -> int:
    with cluster(devices) as made, made.site.devices(f"https://{made.machines['front'].address}"):
        if chosen:
            costs = [measure(made, name) for name in chosen]
            return 0 if all(cost.holds for cost in costs) else 1
        say(f"The site: {made.addresses[0]} (the certificate is of its own)")
        say(f"Who leads: {made.addresses[1]}")
        say(f"The code for the first account: {first_code(made)}")
        converse(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
