"""Connections have a number below what the process may open, and whoever gets to the point finds room."""

from __future__ import annotations

import asyncio
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from dashboard.listen import HOST, bind
from devices import keys
from devices.ingest import capacity
from devices.models import Device
from tests.devices.ingest.server import serving
from tests.factories import make_device, make_fleet
from tests.security.sockets import answer, ask, calling, head
from tests.worker import PATIENCE, ROOT, environment, wait_until

GET = head("GET", "/")
HALF = head("POST", "/", Content_Length="100") + b"half"


@contextmanager
def many(port: int, number: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections, that each say this and nothing more."""
    with ExitStack() as stack:
        callers = [stack.enter_context(calling(port)) for _ in range(number)]
        for caller in callers:
            with suppress(OSError):  # it was let go already
                caller.sendall(sent)
        yield callers


def rest(caller: socket.socket) -> bytes:
    """What comes until the server closes."""
    came = b""
    try:
        while data := caller.recv(65536):
            came += data
    except ConnectionResetError:
        pass
    return came


# Of four connections


class App:
    """Reads whatever comes, and answers once it may."""

    def __init__(self) -> None:
        self.asked = self.answering = 0
        self.may = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        self.asked += 1
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
        self.answering += 1
        while not self.may:  # noqa: ASYNC110 - the test says so from another thread
            await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def port(app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(capacity, "connections", lambda: 4)
    with serving(app) as port:
        yield port
        app.may = True


def test_whoever_says_nothing_makes_room_the_longest_first(port: int) -> None:
    with many(port, 4) as silent:
        assert ask(port, GET).status == 200
        assert rest(silent[0]) == b""
        silent[1].sendall(GET)
        assert answer(silent[1]).status == 200


def test_whoever_sends_half_a_body_makes_room_and_is_told_so(port: int, app: App) -> None:
    with many(port, 4, HALF) as half:
        wait_until(lambda: app.asked == 4)
        assert ask(port, GET).status == 200
        assert rest(half[0]).startswith(b"HTTP/1.1 503 ")


def test_a_connection_that_was_answered_waits_from_then_on(port: int) -> None:
    with many(port, 4) as kept:
        for caller in (*kept, kept[0]):
            caller.sendall(GET)
            assert answer(caller).status == 200
        assert ask(port, GET).status == 200  # for which the second is closed: it has waited longest
        kept[0].sendall(GET)
        assert answer(kept[0]).status == 200


def test_whoever_is_being_answered_is_not_let_go_and_the_next_waits(port: int, app: App) -> None:
    app.may = False
    with many(port, 4, GET) as asking:
        wait_until(lambda: app.answering == 4)
        with calling(port) as fifth:
            fifth.sendall(GET)
            app.may = True
            assert {answer(caller).status for caller in asking} == {200}
            assert answer(fifth).status == 200


def test_an_answer_that_nobody_reads_holds_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "connections", lambda: 4)

    async def large(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        body = bytes(30_000_000 if scope["path"] == "/large" else 0)
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    with serving(large) as port, many(port, 4, head("GET", "/large")) as unread:
        for caller in unread:
            assert caller.recv(1)
        for _ in range(8):
            assert ask(port, GET).status == 200


# A real process, of 256 files


FILES = 256
TESTED = {"DJANGO_SETTINGS_MODULE": "tests.settings"}  # static files need not be collected
MOST = FILES - capacity.RESERVED


@contextmanager
def real_site(files: int, log: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The port and the process of the whole site, which may open so many files."""
    with bind(HOST, 0) as free:
        port = free.getsockname()[1]
    listen = [sys.executable, "-m", "tests.listen", "dashboard.asgi:application", "--port", str(port)]
    limited = ["bash", "-c", f'ulimit -n {files} && exec "$@"', "bash", *listen]
    with log.open("wb") as said:
        process = subprocess.Popen(limited, cwd=ROOT, env=environment() | TESTED, stdout=said, stderr=said)
    try:
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def answers(port: int) -> bool:
    try:
        return ask(port, head("GET", "/healthz")).status == 200
    except OSError:
        return False


def heartbeat(port: int, key: str) -> int:
    return ask(port, head("POST", "/api/v1/heartbeat", Authorization=f"Bearer {key}")).status


@pytest.fixture
def devices(transactional_db: None) -> dict[str, Device]:
    """By their keys."""
    fleet = make_fleet()
    made = [make_device(fleet) for _ in range(20)]
    return {keys.new_device_key(device): device for device in made}


@pytest.mark.thorough
def test_heartbeats_are_answered_while_others_hold_more_connections_than_the_process_may_open_files(
    devices: dict[str, Device], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    sent = [
        b"",
        b"POST /api/v1/heart",
        head("POST", "/api/v1/heartbeat", Authorization="Bearer wrong", Content_Length="9") + b"{",
        head("POST", "/sign-in/", Content_Length="900000") + bytes(300_000),
        head("GET", "/sign-in/"),
    ]
    with real_site(FILES, log) as (port, process):
        wait_until(lambda: answers(port))
        said = f"up to {MOST} connections at once, of {FILES} files that this process may open"
        assert said in log.read_text()
        with ExitStack() as stack:
            for half in sent:
                stack.enter_context(many(port, MOST // 2, half))
                assert process.num_fds() < FILES
                assert {heartbeat(port, key) for key in devices} == {200}
            assert answers(port)
    assert "Traceback" not in log.read_text()
    assert "no connection is accepted" not in log.read_text()


@pytest.mark.thorough
def test_log_streams_leave_room_for_heartbeats(devices: dict[str, Device], tmp_path: Path) -> None:
    """Those for which there is no room are told so, and a supervisor comes again later."""
    with real_site(FILES, tmp_path / "log") as (port, _), ExitStack() as stack:
        wait_until(lambda: answers(port))
        streams = []
        for key, device in devices.items():
            said = head(
                "POST",
                f"/device/v2/{device.uuid}/log-stream",
                Authorization=f"Bearer {key}",
                Transfer_Encoding="chunked",
            )
            streams += stack.enter_context(many(port, 2, said + b"6\r\na line\r\n"))
        too_many = len(streams) - MOST // capacity.SHARES
        refused: list[int] = []
        while len(refused) < too_many:
            ready, _, _ = select.select(streams, [], [], PATIENCE)
            assert ready
            refused += [answer(stream).status for stream in ready]
            streams = [stream for stream in streams if stream not in ready]
        assert refused == [503] * too_many
        assert {heartbeat(port, key) for key in devices} == {200}


def test_a_process_that_may_open_too_few_files_says_so(tmp_path: Path) -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100));"
        "from devices.ingest import capacity; capacity.claim()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("This process may open 100 files, and needs 160 or more. Raise the limit")


def test_a_process_takes_the_files_that_the_system_grants() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 900));"
        "from devices.ingest import capacity; capacity.claim(); print(capacity.connections())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert said.stdout == f"{900 - capacity.RESERVED}\n"
