"""The first hour with a bare Debian: `make demo`, the first device of README, and Ctrl-C at any moment."""

from __future__ import annotations

import http.cookiejar
import json
import random
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Final

import pytest

from tests.system.bare_machine import ROOT, Machine, Terminal, machine, run, until
from tests.system.debian import Debian

pytestmark = pytest.mark.system

MEGABYTES: Final = 300  # that README promises
IN_ALL: Final = (".venv", "var", "staticfiles")
ENDED: Final = 15.0  # seconds that a busy machine has to end what was begun
UP: Final = "Lookout is running"
TIMES: Final = 5  # Ctrl-C at so many moments
FROM_NOTHING: Final = 3  # from this one on nothing is installed; before, all is


@pytest.fixture(scope="module")
def bare(bare_debian: Debian, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    place = tmp_path_factory.mktemp("bare")
    place.chmod(0o755)
    made = machine(bare_debian.copy(place / "machine").root)
    yield made
    run("rm", "-rf", made.root)


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Browser:
    """A person at the demo, who was told how to sign in."""

    def __init__(self, address: str, shown: str) -> None:
        self.address = address
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)
        told = re.search(r"Sign in as: +(\S+) +with password +(\S+)", shown)
        assert told, shown
        self.send("/sign-in/", login=told[1], password=told[2])

    def get(self, path: str) -> str:
        with self.opener.open(f"{self.address}{path}", timeout=30) as response:
            return str(response.read().decode())

    def send(self, path: str, **fields: str) -> str:
        """Fills in the form of this page and sends it; the page that follows."""
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', self.get(path))
        data = urllib.parse.urlencode(dict(hidden) | fields).encode()
        request = urllib.request.Request(  # noqa: S310 - http
            f"{self.address}{path}", data, {"Referer": f"{self.address}{path}"}
        )
        with self.opener.open(request, timeout=30) as response:
            return str(response.read().decode())


def readme_commands() -> list[str]:
    """What README's first device is made with: a command for each."""
    section = (ROOT / "README.md").read_text().partition("\n## A first device\n")[2].partition("\n## ")[0]
    block = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
    return [each for each in re.split(r"(?<!\\)\n", block) if each.strip()]


def shell(command: str, **environment: str) -> str:
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def first_device(browser: Browser) -> str:
    """Does what README says, and returns the status of its device."""
    browser.send("/organizations/new/", name="First hour")
    fields = {"name": "Pumps", "type": "standard", "vpn_enabled": "unset", "value": "", "unit": "min"}
    browser.send("/settings/first-hour/fleets/new/", **fields)
    page = browser.send("/fleets/pumps/keys/", name="first", days="")
    key = re.search(r'id="new-key">([^<]+)<', page)
    assert key, page
    register, heartbeat = (
        each.replace("http://127.0.0.1:8000", browser.address) for each in readme_commands()
    )
    path = "/usr/bin:/bin"
    made = json.loads(shell(register, PATH=path, PROVISIONING_KEY=key[1]))
    once = heartbeat.removeprefix("while ").partition(";")[0]  # README repeats it until Ctrl-C
    shell(once, PATH=path, DEVICE_KEY=made["key"])
    (device,) = json.loads(browser.get("/devices/devices.json?fleet=pumps"))
    assert device["name"] == "pump-1"
    return str(device["status"])


def end(bare: Machine, terminal: Terminal) -> float:
    """Ctrl-C; the seconds until all has ended."""
    asked = time.monotonic()
    terminal.ctrl_c()
    terminal.process.wait(ENDED)
    while left := bare.processes():  # pip's own programs were asked as well, and clean up after themselves
        assert time.monotonic() - asked < ENDED, left
        time.sleep(0.05)
    assert (bare.segments(), bare.shared_files()) == ([], [])
    return time.monotonic() - asked


def test_the_demo_comes_up_and_the_first_device_of_readme_is_online(
    bare: Machine, port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    with bare.terminal(f"cd lookout && make demo PORT={port}") as terminal:
        until(lambda: UP in terminal.text, terminal)
        browser = Browser(f"http://127.0.0.1:{port}", terminal.text)
        seconds, megabytes = time.monotonic() - began, bare.megabytes(*IN_ALL)
        with capfd.disabled():
            print(f"\nThe first page after {seconds:.0f} s, {megabytes} MB.")  # noqa: T201
        assert megabytes < MEGABYTES
        assert first_device(browser) == "online"
        end(bare, terminal)
    for word in ("Traceback", "INFO", "settles", "recorded"):
        assert word not in terminal.text


def test_ctrl_c_ends_a_start_at_any_moment(
    bare: Machine, port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    moments = []
    for number in range(TIMES):
        forget(bare, installed=number >= FROM_NOTHING)
        with bare.terminal(f"cd lookout && make demo PORT={port}") as terminal:
            moment = random.uniform(0.2, 12)
            time.sleep(moment)
            moments.append(f"{end(bare, terminal):.1f} s after {moment:.1f} s ({last_line(terminal)})")
    with capfd.disabled():
        print("\nEnded", ", ".join(moments))  # noqa: T201
    with bare.terminal(f"cd lookout && make demo PORT={port}") as terminal:  # and then it starts
        until(lambda: UP in terminal.text, terminal)
        end(bare, terminal)


def forget(bare: Machine, *, installed: bool) -> None:
    """As if nothing had been started here, or even installed."""
    for name in IN_ALL if installed else IN_ALL[1:]:
        shutil.rmtree(bare.checkout / name, ignore_errors=True)


def last_line(terminal: Terminal) -> str:
    lines: list[str] = [
        line for line in re.split(r"[\r\n]", terminal.text) if " ..." in line or " s  " in line
    ]
    return lines[-1].strip() if lines else "nothing said yet"
