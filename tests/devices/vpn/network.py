"""Real VPNs: hosts in network namespaces of their own, and OpenVPN on them as docs/openvpn.md says.

Nothing leaves the machine: the namespaces know only each other, the watchers speak to the loopback.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs/openvpn.md").read_text()
USER, GROUP = "nobody", "nogroup"  # in the place of lookout-vpn, which this machine need not have
QUICK = "ping 1\nping-restart 3"  # in the place of 10 and 120 s
SIGN_EVERY = 2.0  # seconds, in the place of 10: a watcher's signs of life, which list who is connected


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


def unusable(*programs: str) -> str:
    """Why there can be no real VPN with these programs here; empty where there can."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    for program in ("ip", *programs):
        if shutil.which(program) is None:
            return f"needs {program}"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    probe = f"lk{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True).returncode:
        return "needs the right to make network namespaces"
    run("ip", "netns", "delete", probe)
    return ""


def namespace(name: str) -> str:
    """What the namespace of the host of this name is called, beside those of tests in parallel."""
    return f"lk{os.getpid()}{name}"


@contextmanager
def hosts(**numbers: int) -> Iterator[None]:
    """The client's host "c", and those of servers, each at 10.99.NUMBER.1 from there."""
    try:
        run("ip", "netns", "add", namespace("c"))
        for name, number in numbers.items():
            run("ip", "netns", "add", namespace(name))
            _wire(name, number)
        yield
    finally:
        for name in ("c", *numbers):
            with suppress(AssertionError):
                run("ip", "netns", "delete", namespace(name))


def _wire(name: str, number: int) -> None:
    here, client, link = namespace(name), namespace("c"), f"to-{name}"
    run("ip", "-n", here, "link", "add", link, "type", "veth", "peer", "name", link, "netns", client)
    for space, last in ((here, 1), (client, 2)):
        run("ip", "-n", space, "address", "add", f"10.99.{number}.{last}/24", "dev", link)
        run("ip", "-n", space, "link", "set", link, "up")


@dataclass
class Process:
    """A program of ours, with what it printed."""

    process: subprocess.Popen[bytes]
    log: Path

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(15)

    def says(self, text: str) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return text in self.log.read_text()


@dataclass
class Network:
    """`directory` is open to USER. Namespaces: the client's "c", and one for each server."""

    directory: Path
    common_name: str  # of the device
    key: str
    url: str
    started: list[Process] = field(default_factory=list)

    def start(self, name: str, *command: str, user: str | None = None) -> Process:
        log = self.directory / f"{name}.{len(self.started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory / "opt/lookout",
                user=user,
                group=GROUP if user else None,
                extra_groups=[] if user else None,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            )
        self.started.append(Process(process, log))
        return self.started[-1]

    def openvpn(self, name: str, config: str) -> Process:
        """An OpenVPN process in the namespace of this name."""
        path = self.directory / f"{name}.conf"
        path.write_text(config)
        space = namespace(name[0])
        return self.start(name, "ip", "netns", "exec", space, "openvpn", "--verb", "4", "--config", str(path))

    def server(self, name: str, number: int, *, more: str = "", without: str = "^$") -> Process:
        """As the document says, but with more and without lines that match."""
        own = (
            f"port 1194\nproto udp\ndev tun\ndh none\ntopology subnet\nserver 10.8.{number}.0 255.255.255.0\n"
        )
        documented = self.placed(_block("conf"), name).replace("keepalive 10 60", QUICK)
        assert QUICK in documented
        lines = [line for line in documented.splitlines() if not re.match(without, line)]
        return self.openvpn(name, "\n".join([own + self._certificate("server"), *lines, more, ""]))

    def client(self, number: int) -> Process:
        own = f"client\nproto udp\ndev tun\nremote 10.99.{number}.1 1194\nnobind\n{QUICK}\n"
        return self.openvpn("client", own + self._certificate("client") + "explicit-exit-notify 1\n")

    def watcher(self, name: str, *more: str) -> Process:
        """As its unit in the document starts it."""
        line = next(line for line in _block("ini").splitlines() if line.startswith("ExecStart="))
        command = self.placed(line.removeprefix("ExecStart="), name)
        return self.start("watcher", *command.split(), *more, user=USER)

    def placed(self, text: str, name: str) -> str:
        """The lines of the document for this server on this machine."""
        text = text.replace("%i", name).replace("vpn-1", name).replace("https://lookout.example", self.url)
        for path in ("/opt/lookout", "/var/lib/lookout-vpn"):
            text = text.replace(path, f"{self.directory}{path}")
        return text.replace("user lookout-vpn", f"user {USER}").replace("group lookout-vpn", f"group {GROUP}")

    def install(self) -> None:
        """As the document says, into `directory`."""
        target = self.directory / "opt/lookout"
        copied = [word for word in _block("sh", 1).split() if word.startswith("devices/")]
        assert copied == ["devices/__init__.py", "devices/vpn"]
        target.mkdir(parents=True)
        run("cp", "-r", "--parents", *copied, target, cwd=ROOT)
        watch = target / "devices/vpn/watch.py"
        documented = watch.read_text()
        assert "SIGN_EVERY = 10.0" in documented
        watch.write_text(documented.replace("SIGN_EVERY = 10.0", f"SIGN_EVERY = {SIGN_EVERY}"))
        state = self.directory / "var/lib/lookout-vpn"
        state.mkdir(parents=True)
        key = state / "key"
        key.touch(0o600)
        key.write_text(f"{self.key}\n")
        for name in ("a", "b"):
            (state / name).mkdir(0o750)
        for path in (state, *state.iterdir()):
            shutil.chown(path, USER, GROUP)

    def certify(self) -> None:
        """An authority, and certificates of a server and of the device."""
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        request = ("openssl", "req", *new_key)
        authority = ("-x509", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test")
        run(*request, *authority, cwd=self.directory)
        for name, common_name in (("server", "server"), ("client", self.common_name)):
            files = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
            run(*request, *files, "-subj", f"/CN={common_name}", "-utf8", cwd=self.directory)
            sign = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
            run(
                "openssl",
                "x509",
                "-req",
                "-in",
                f"{name}.csr",
                *sign,
                "-out",
                f"{name}.crt",
                cwd=self.directory,
            )

    def _certificate(self, name: str) -> str:
        files = {"ca": "ca.crt", "cert": f"{name}.crt", "key": f"{name}.key"}
        return "".join(f"{option} {self.directory / file}\n" for option, file in files.items())


def _block(kind: str, number: int = 0) -> str:
    """That block of the document."""
    blocks: list[str] = re.findall(rf"```{kind}\n(.*?)```", DOCUMENT, re.DOTALL)
    return blocks[number]


@contextmanager
def network(directory: Path, common_name: str, key: str, url: str) -> Iterator[Network]:
    """The hosts "a" and "b" for servers, and the client's; everything ends with it."""
    made = Network(directory, common_name, key, url)
    made.install()
    made.certify()
    with hosts(a=1, b=2):
        try:
            yield made
        finally:
            for process in made.started:
                process.end(signal.SIGKILL)
