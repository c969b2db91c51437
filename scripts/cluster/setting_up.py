"""The whole set-up in network namespaces of its own, and its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from scripts.cluster.databases import POSTGRES, REST, Database, Databases
from tests.system.front import Front, Processes, haproxy
from tests.system.network import Machine, network, run
from tests.system.postgres import Server, disk, home
from tests.system.site import ROOT, Site

DATABASES: Final = ("db-1", "db-2", "db-3")
NAMES: Final = (*DATABASES, "app-1", "app-2", "front")
DISK: Final = "512m"  # of each database, in memory
HERE: Final = ROOT / "var" / "cluster"
PACKAGES: Final = HERE / "packages"  # Patroni 4; scripts/cluster/packages.sh puts it there
PERSON: Final = """
frontend person
    mode tcp
    log-format "%ci:%cp %b/%s %Tt %B"
    bind fd@{site}
    default_backend itself
backend itself
    mode tcp
    server front {front}:443
listen who-leads
    bind fd@{page}
    stats enable
    stats uri /
    stats refresh 2s
    stats show-desc The database that is UP leads
    option httpchk GET /primary
    http-check expect status 200
    default-server check inter 1s fall 1 rise 1 port {rest}
"""


@dataclass
class Cluster:
    """What runs. `addresses`: of the site and of the page that shows who leads, for a browser here."""

    machines: dict[str, Machine]
    databases: Databases
    site: Site  # on the machine in front
    apps: dict[str, Processes] = field(default_factory=dict)
    front: Front | None = None
    addresses: tuple[str, str] = ("", "")
    pulled: set[str] = field(default_factory=set)

    def pull(self, name: str) -> None:
        """The cable of this machine: from now on nothing comes and goes, and nobody is told."""
        if name not in self.pulled:
            self._cable(name, "-I")
            self.pulled.add(name)

    def put_back(self, name: str) -> None:
        if name in self.pulled:
            self._cable(name, "-D")
            self.pulled.remove(name)

    def _cable(self, name: str, action: str) -> None:
        for chain, way in (("INPUT", "-i"), ("OUTPUT", "-o")):
            rule = ("iptables", "-w", action, chain, way, "eth0", "-j", "DROP")
            run(*self.machines[name].inside(*rule))


@contextmanager
def cluster(devices: int) -> Iterator[Cluster]:
    """Everything runs until the block ends, with so many virtual devices that do not poll yet."""
    end_what_was_left()
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lookout-cluster-")))
        place.chmod(0o711)
        machines = dict(zip(NAMES, stack.enter_context(network(NAMES)), strict=True))
        for name in DATABASES:
            stack.enter_context(disk(home(place / name) / "data", DISK))
        stack.enter_context(noted(place, list(machines.values())))
        made = set_up(place, machines, devices)
        try:
            start(made, place, stack)
            yield made
        finally:
            wait_no_more()
            keep_logs(place)


def start(made: Cluster, place: Path, stack: ExitStack) -> None:
    say("Starting three databases ...")
    made.databases.start()
    say("Making the tables and the devices ...")
    leader = made.databases.leader().server
    replace(made.site, database=leader.url("lookout")).make(leader.url("lookout_owner"))
    say("Starting two machines of Lookout, and HAProxy ...")
    start_site(made, place, stack)


def set_up(place: Path, machines: dict[str, Machine], devices: int) -> Cluster:
    packages = Path(shutil.copytree(PACKAGES, place / "packages"))
    servers = {name: Server(place / name, machines[name]) for name in DATABASES}
    front = machines["front"]
    databases = Databases(tuple(Database(name, one, packages) for name, one in servers.items()), front)
    (state := place / "state").mkdir()
    settings = {"TRUSTED_PROXIES": front.address}
    site = Site(state, front, databases.url(), devices, settings, place / "site.log")
    return Cluster(machines, databases, site)


def start_site(made: Cluster, place: Path, stack: ExitStack) -> None:
    behind = [made.machines[name] for name in ("app-1", "app-2")]
    for name, machine in zip(("app-1", "app-2"), behind, strict=True):
        site = replace(made.site, machine=machine)
        made.apps[name] = Processes(site, stack)
        made.apps[name].start()
        stack.enter_context(site.process("manage.py", "run_background"))
    outside = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
    site_, page = (each.getsockname()[1] for each in outside)
    made.addresses = (f"https://localhost:{site_}/", f"http://localhost:{page}/")
    numbers = [each.fileno() for each in outside]
    more = PERSON.format(site=numbers[0], page=numbers[1], front=made.machines["front"].address, rest=REST)
    more += "".join(f"    server {one.name} {one.address}:{POSTGRES}\n" for one in made.databases.all)
    made.front = stack.enter_context(haproxy(place, made.machines["front"], behind, more, numbers))


def say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


def wait_no_more() -> None:
    """Let nobody break off the end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    say("Ending everything ...")


def keep_logs(place: Path) -> None:
    """In var/cluster/logs, instead of those of the run before."""
    kept = HERE / "logs"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for log in (*place.glob("*.log"), *place.glob("db-*/*.log"), *place.glob("state/told*")):
        shutil.copyfile(log, kept / "-".join(log.relative_to(place).parts))


@contextmanager
def noted(place: Path, machines: Sequence[Machine]) -> Iterator[None]:
    """Where this run is, until it has ended what it started: a later one ends what a killed one left."""
    HERE.mkdir(parents=True, exist_ok=True)
    note = HERE / f"run-{os.getpid()}.json"
    switch = machines[0].namespace.rpartition("-db")[0]
    namespaces = [machine.namespace for machine in machines]
    note.write_text(json.dumps({"place": str(place), "namespaces": namespaces, "switch": switch}))
    try:
        yield
    finally:
        end_processes(namespaces)
        note.unlink()


def end_processes(namespaces: Sequence[str]) -> None:
    """Those in these namespaces of ours, PostgreSQL first so that it gives its memory back."""
    for _ in range(100):
        found = [pid for name in namespaces for pid in run("ip", "netns", "pids", name).split()]
        if not found:
            return
        for pid in map(int, found):
            end(pid)
        time.sleep(0.1)


def end(pid: int) -> None:
    try:
        program = Path(f"/proc/{pid}/comm").read_text().strip()
        os.kill(pid, signal.SIGQUIT if program == "postgres" else signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError):
        return  # it has ended meanwhile


def end_what_was_left() -> None:
    """Of runs that were killed: processes, namespaces and directories that they noted."""
    for note in HERE.glob("run-*.json"):
        if Path(f"/proc/{note.stem.removeprefix('run-')}").exists():
            continue
        left = json.loads(note.read_text())
        there = {line.split()[0] for line in run("ip", "netns").splitlines()}
        end_processes([name for name in left["namespaces"] if name in there])
        for name in {*left["namespaces"], left["switch"]} & there:
            run("ip", "netns", "delete", name)
        for name in DATABASES:
            if (data := Path(left["place"], name, "data")).is_mount():
                run("umount", str(data))
        shutil.rmtree(left["place"], ignore_errors=True)
        note.unlink()


def first_code(made: Cluster) -> str:
    """What `manage.py first_code` prints."""
    command = made.site.machine.inside(sys.executable, "manage.py", "first_code")
    done = subprocess.run(
        command, cwd=ROOT, env=made.site.environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
