"""A bare Debian below a directory of its own, as somebody has it who just heard of Lookout.

It has what README asks for. What this machine's pip is told (files, environment) is told to the one in there.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = (
    "ca-certificates",
    "git",
    "make",
    "python3",
    "python3-venv",
)  # README asks for these
OTHERS: Final = ("curl", "tini")  # what other tests need beside them
USER: Final = 61234  # nobody's on this machine, so that whatever is this user's is of this test
PATIENCE: Final = 900.0  # seconds
CARRIED: Final = re.compile(r"PIP_.*|.*_proxy|.*_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE")


def run(*command: str | Path) -> str:
    """What it prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@dataclass
class Terminal:
    """A program in the foreground of a terminal, and what it said there."""

    process: subprocess.Popen[bytes]
    keyboard: int
    said: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        return self.said.decode(errors="replace").replace("\r\n", "\n")

    def follow(self) -> None:
        """Reads until nobody writes there any more."""
        while True:
            try:
                read = os.read(self.keyboard, 65536)
            except OSError:
                return
            if not read:
                return
            self.said.extend(read)

    def ctrl_c(self) -> None:
        os.write(self.keyboard, b"\x03")


@dataclass(frozen=True)
class Machine:
    """`shown` are directories of this machine that are there, too, at the same place."""

    root: Path
    environment: dict[str, str]
    shown: list[str]

    @property
    def home(self) -> Path:
        return self.root / "home" / "ada"

    @property
    def checkout(self) -> Path:
        return self.home / "lookout"

    def inside(self, command: str) -> list[str]:
        """The command line that runs this one here, as the user, in the home directory."""
        own = {"HOME": "/home/ada", "PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"}
        told = [f"{name}={value}" for name, value in (self.environment | own).items()]
        # Mounted for this command alone: nothing of it is seen, or has to be undone, out here.
        mounts = [f"mount --rbind {each} {self.root}{each}" for each in self.shown]
        enter = f'exec chroot --userspec={USER}:{USER} --groups= {self.root} env -i "$@"'
        start = ("unshare", "--mount", "sh", "-c", " && ".join([*mounts, enter]), "sh")
        return [*start, *told, "sh", "-c", f"cd && {command}"]

    @contextmanager
    def terminal(self, command: str) -> Iterator[Terminal]:
        """Runs it in a terminal; what is left of it at the end of the block is killed."""
        keyboard, screen = pty.openpty()
        started = subprocess.Popen(
            ["setsid", "--ctty", *self.inside(command)], stdin=screen, stdout=screen, stderr=screen
        )
        os.close(screen)
        terminal = Terminal(started, keyboard)
        reader = threading.Thread(target=terminal.follow, daemon=True)
        reader.start()
        try:
            yield terminal
        finally:
            self.clean_up()
            started.wait(PATIENCE)
            reader.join(PATIENCE)
            os.close(keyboard)

    def processes(self) -> dict[int, str]:
        """What the user runs."""
        found = {}
        for each in Path("/proc").iterdir():
            try:
                if each.name.isdigit() and owned(each):
                    command = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if command:  # else it is dead, and only not reaped
                        found[int(each.name)] = command
            except OSError:
                continue
        return found

    def segments(self) -> list[str]:
        """Ids of the memory that the user's programs share, whether or not they still run."""
        lines = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
        return [line[1] for line in lines if int(line[7]) == USER]

    def shared_files(self) -> list[Path]:
        """The same as files."""
        return [each for each in Path("/dev/shm").iterdir() if owned(each)]  # noqa: S108

    def clean_up(self) -> None:
        """Kills the user's programs, and removes what they shared."""
        while running := self.processes():
            for pid in running:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        for segment in self.segments():
            run("ipcrm", "--shmem-id", segment)
        for each in self.shared_files():
            each.unlink()

    def megabytes(self, *names: str) -> int:
        there = [str(self.checkout / name) for name in names if (self.checkout / name).exists()]
        return int(run("du", "-scm", *there).splitlines()[-1].split()[0])


def owned(path: Path) -> bool:
    try:
        return path.stat().st_uid == USER
    except FileNotFoundError:
        return False


def until(comes: Callable[[], object], terminal: Terminal) -> None:
    """Waits for it while the program of this terminal runs."""
    began = time.monotonic()
    while not comes():
        assert terminal.process.poll() is None, terminal.text
        assert time.monotonic() - began < PATIENCE, terminal.text
        time.sleep(0.1)


def machine(root: Path) -> Machine:
    """This bare Debian, without what README does not ask for, and a user with what is committed here."""
    run("chroot", root, "dpkg", "--purge", *OTHERS)
    run("chroot", root, "useradd", "--uid", str(USER), "--create-home", "--shell", "/bin/sh", "ada")
    environment, shown = carried(root)
    for each in shown:
        (root / each.lstrip("/")).mkdir(parents=True, exist_ok=True)
    made = Machine(root, environment, shown)
    run("git", "-C", ROOT, "bundle", "create", "--quiet", made.home / "lookout.bundle", "HEAD")
    run(*made.inside("git clone --quiet lookout.bundle lookout"))
    return made


def carried(root: Path) -> tuple[dict[str, str], list[str]]:
    """What pip is told here is told there: the environment, and the directories that must be shown.

    Its configuration, and the files that one or the other names, are copied.
    """
    shown = {"/proc", "/dev"}
    environment = {name: value for name, value in os.environ.items() if CARRIED.fullmatch(name)}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    listed = subprocess.check_output(
        [sys.executable, "-m", "pip", "config", "list"], env=clean, text=True, cwd="/"
    )
    settings = dict(re.findall(r"^([\w.-]+)='(.*)'$", listed, re.MULTILINE))
    lines = ["[global]"]
    for name, value in settings.items():
        lines.append(f"{name.rpartition('.')[2]} = {' '.join(value.replace(chr(92) + 'n', ' ').split())}")
    (root / "etc/pip.conf").write_text("\n".join([*lines, ""]))
    named = " ".join([*settings.values(), *environment.values()]).replace("file://", "").split()
    for path in {Path(each) for each in named if each.startswith("/") and Path(each).exists()}:
        if path.is_dir():  # an index lies beside the files that it leads to
            shown.add(str(path.parent if len(path.parts) > 2 else path))
        else:
            copy(path, root)
    for path in (Path("/etc/resolv.conf"), Path("/etc/hosts")):
        copy(path, root)
    outer = [each for each in shown if not any(each.startswith(f"{other}/") for other in shown)]
    return environment, sorted(outer)


def copy(path: Path, root: Path) -> None:
    there = root / str(path).lstrip("/")
    there.parent.mkdir(parents=True, exist_ok=True)
    there.unlink(missing_ok=True)
    shutil.copyfile(path, there)
    there.chmod(0o644)
