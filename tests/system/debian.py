"""A bare Debian below a directory, in which what an operator installs is installed and runs, as root.

What runs there has mounts and processes of its own and, unless said otherwise, a loopback network of its own.
Python packages come from a directory in there, which this machine's pip has filled.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.system.bare_machine import OTHERS, PACKAGES, PATIENCE, ROOT, copy, run

WHY_NOT: Final = (
    "needs root"
    if os.geteuid() != 0
    else "debootstrap is not installed"
    if not shutil.which("debootstrap")
    else ""
)
WHEELS: Final = "var/cache/wheels"
# systemctl enables and disables units, and starts none: no systemd was booted.
TOLD: Final = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "SYSTEMD_OFFLINE": "1",
}


@dataclass(frozen=True)
class Debian:
    """`shown` are directories of this machine that are there, too. `alone`: its network is a loopback."""

    root: Path
    shown: tuple[Path, ...] = ()
    read_only: bool = False
    alone: bool = True

    def inside(self, command: str, user: int = 0, environment: Mapping[str, str] | None = None) -> list[str]:
        """The command line that runs these lines of a shell there, as this user."""
        names = shlex.join(f"{name}={value}" for name, value in (TOLD | dict(environment or {})).items())
        enter = f"chroot --userspec={user}:{user} --groups= {self.root} env -i {names}"
        steps = " && ".join([*self._mounts(), f"{enter} sh -c {shlex.quote(command)}"])
        spaces = ["--mount", "--pid", "--fork", "--kill-child", *(["--net"] if self.alone else [])]
        # A shell of root's stays and is killed with unshare, and all that runs there with it: a process that
        # changes its user is not.
        return ["unshare", *spaces, "sh", "-c", f"{steps}; exit $?"]

    def _mounts(self) -> list[str]:
        """Mounted for one command alone: nothing of it is seen, or has to be undone, out here."""
        root = self.root
        steps = [f"mount --bind {root} {root}", f"mount -t proc proc {root}/proc"]
        steps.append(f"mount --rbind /dev {root}/dev")
        if self.read_only:
            steps += [f"mount -o remount,ro,bind {root}", f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp"]  # noqa: S108 - there
        for each in self.shown:
            steps += [f"mkdir -p {root}{each}", f"mount --rbind {each} {root}{each}"]
        return [*steps, "ip link set lo up"] if self.alone else steps

    def run(self, command: str, user: int = 0, environment: Mapping[str, str] | None = None) -> str:
        """What it says; it must succeed."""
        done = subprocess.run(
            self.inside(command, user, environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-4000:]}"
        return done.stdout

    def copy(self, root: Path) -> Debian:
        run("cp", "-a", "--reflink=auto", self.root, root)
        return replace(self, root=root)


def mirror() -> tuple[str, str]:
    """Where this machine takes Debian's packages, and of which release."""
    known = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    assert known
    wanted = ["Created-By: Packages", f"Codename: {known[1]}", "Component: main"]
    found = run("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted).split()
    assert found, "apt knows no archive of this release"
    return found[0], known[1]


def make(root: Path) -> Debian:
    """Made by debootstrap from where this machine takes its packages: Debian 12 on Debian 12."""
    source, release = mirror()
    packages = ",".join((*PACKAGES, *OTHERS, "systemd"))
    run("debootstrap", "--variant=minbase", f"--include={packages}", release, root, source)
    shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
    (root / "etc/dpkg/dpkg.cfg.d/quick").write_text("force-unsafe-io\n")  # it need not survive this machine
    wanted = (
        "--quiet",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "-r",
        ROOT / "requirements/production.txt",
    )
    run(sys.executable, "-m", "pip", "download", *wanted, "-d", root / WHEELS)
    (root / "etc/pip.conf").write_text(f"[global]\nno-index = true\nfind-links = /{WHEELS}\n")
    for path in (Path("/etc/resolv.conf"), Path("/etc/hosts")):
        copy(path, root)
    return Debian(root)
