"""A network of this test's own: machines that are namespaces, each with a cable to one switch."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

NEEDS: Final = ("ip", "iptables", "nsenter", "curl")
WHY_NOT: Final = (
    "needs root"
    if os.geteuid() != 0
    else ", ".join(f"{program} is not installed" for program in NEEDS if not shutil.which(program))
)
NETWORK: Final = "10.213.77"


def run(*command: str) -> str:
    """What it prints; it must succeed."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@dataclass(frozen=True)
class Machine:
    namespace: str
    address: str

    def inside(self, *command: str, user: tuple[int, int] | None = None) -> list[str]:
        """The command line that runs this one here, as this user and group, in the same process."""
        who = [f"--setuid={user[0]}", f"--setgid={user[1]}"] if user else []
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *who, "--", *command]

    @contextmanager
    def cable_can_be_pulled(self) -> Iterator[Callable[[], None]]:
        """Once the function was called nothing comes and goes, and nobody is told, until the block ends."""
        try:
            yield lambda: self._every_packet("DROP")
        finally:
            self._every_packet("ACCEPT")

    def _every_packet(self, policy: str) -> None:
        for chain in ("INPUT", "OUTPUT"):
            run(*self.inside("iptables", "-w", "-P", chain, policy))


@contextmanager
def network(names: Sequence[str]) -> Iterator[list[Machine]]:
    """Machines of these names that reach each other; their programs must have ended before it does."""
    switch = f"lookout-{os.getpid()}"
    machines = [Machine(f"{switch}-{name}", f"{NETWORK}.{n}") for n, name in enumerate(names, 1)]
    made: list[str] = []
    try:
        for namespace in (switch, *(machine.namespace for machine in machines)):
            run("ip", "netns", "add", namespace)
            made.append(namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        run("ip", "-n", switch, "link", "add", "switch", "type", "bridge")
        run("ip", "-n", switch, "link", "set", "switch", "up")
        for number, machine in enumerate(machines):
            plug_in(machine, switch, f"port{number}")
        yield machines
    finally:
        for namespace in made:
            run("ip", "netns", "delete", namespace)


def plug_in(machine: Machine, switch: str, port: str) -> None:
    end = ("netns", machine.namespace)
    run("ip", "-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", *end)
    run("ip", "-n", switch, "link", "set", port, "master", "switch", "up")
    run("ip", "-n", machine.namespace, "address", "add", f"{machine.address}/24", "dev", "eth0")
    run("ip", "-n", machine.namespace, "link", "set", "eth0", "up")
