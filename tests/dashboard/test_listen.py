"""A port belongs to one server, or to processes that share it under one launcher."""

import logging
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from dashboard.listen import HOST, available, bind, command, configuration, reserved
from tests.bench.empty import app

ROOT = Path(__file__).resolve().parent.parent.parent


def listening(port: int = 0, *, share: bool = False) -> socket.socket:
    bound = bind(HOST, port, share=share)
    bound.listen()
    return bound


def test_a_taken_port_is_named() -> None:
    with listening() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"Port {port} of {HOST} .* PORT={port + 1}"):
            bind(HOST, port)
    bind(HOST, port).close()


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("shares", [False, True])
def test_nobody_else_may_have_the_port_that_a_site_wants(processes: int, *, shares: bool) -> None:
    with listening(share=shares) as foreign:
        port = foreign.getsockname()[1]
        with pytest.raises(SystemExit, match=f"Port {port} "), available(HOST, port, processes):
            pass
    with available(HOST, port, processes):
        pass


def test_a_reserved_port_is_for_those_that_share_it() -> None:
    with reserved(HOST, 0) as port:
        refuse_connections(port)
        refuse_others(port)  # before the first process listens
        with listening(port, share=True), listening(port, share=True):
            refuse_others(port)
        refuse_others(port)  # after the last


def refuse_connections(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port))


def refuse_others(port: int) -> None:
    with pytest.raises(SystemExit, match=f"Port {port} "), reserved(HOST, port):
        pass
    with (
        pytest.raises((SystemExit, OSError), match=r"cannot be used|already in use"),
        bind(HOST, port) as alone,
    ):
        alone.listen()


def test_a_port_is_free_again_at_once() -> None:
    with listening() as server:
        port = server.getsockname()[1]
        with socket.create_connection((HOST, port)):
            server.accept()[0].close()  # the first to end: its side lingers
    with reserved(HOST, port), listening(port, share=True):
        pass


def test_answers_do_not_wait_for_nagle() -> None:
    with listening() as server, socket.create_connection(server.getsockname()):
        accepted, _ = server.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_calls_are_not_logged_though_django_gives_that_log_a_handler() -> None:
    log = logging.getLogger("uvicorn.access")
    log.propagate = True  # as the settings say, which the app loads
    configuration(app)
    assert not log.hasHandlers()  # what uvicorn asks


def test_where_the_kernel_does_not_spread_connections_one_process_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with bind(HOST, 0) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(sys, "platform", "darwin")
    with available(HOST, port, 1):
        pass
    with pytest.raises(SystemExit, match="Only Linux"), available(HOST, port, 2):
        pass


@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_app_that_cannot_start_ends_the_launcher(processes: str) -> None:
    with bind(HOST, 0) as free:
        port = free.getsockname()[1]
    launcher = [*command("tests.nowhere:app", HOST, port, share=False), "--processes", processes]
    ended = subprocess.run(launcher, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "No module named 'tests.nowhere'" in ended.stderr


def asked(port: int, path: str) -> int | None:
    """The status of an answer over a connection of its own; None where nobody listens."""
    connection = HTTPConnection(HOST, port, timeout=30)
    with closing(connection), suppress(ConnectionError):
        connection.request("GET", path)
        return connection.getresponse().status
    return None


def test_a_process_says_where_it_listens_and_ctrl_c_ends_it() -> None:
    code = "import logging; logging.basicConfig(level=logging.INFO); from dashboard.listen import *;"
    code += f"serve('tests.bench.empty:app', bind('{HOST}', 0))"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = ""
        while (found := re.search(r"listening on http://127\.0\.0\.1:(\d+)$", said)) is None:
            said = process.stderr.readline().rstrip()
            assert process.poll() is None
        port = int(found[1])
        assert asked(port, "/healthz") == 200
        process.send_signal(signal.SIGINT)
        while asked(port, "/healthz") is not None:
            pass
        assert process.wait(30) in {0, 130, -signal.SIGINT}


def test_a_process_that_is_asked_to_end_says_so_before_its_socket_closes() -> None:
    with bind(HOST, 0) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(command("tests.bench.empty:app", HOST, port, share=False), cwd=ROOT) as process:
        while asked(port, "/") is None:
            assert process.poll() is None
        assert asked(port, "/healthz") == 200
        process.terminate()
        while (health := asked(port, "/healthz")) == 200:  # until the signal is there
            pass
        assert (health, asked(port, "/"), asked(port, "/healthz")) == (503, 200, 503)
        seen = {asked(port, "/healthz")}
        while seen == {503}:
            seen = {asked(port, "/healthz")}
        assert seen == {None}
        assert process.wait(30) in {0, -signal.SIGTERM}


def test_a_process_that_is_asked_to_end_ends_kept_connections_with_an_answer_and_breaks_none_off() -> None:
    with bind(HOST, 0) as free:
        port = free.getsockname()[1]
    with (
        subprocess.Popen(command("tests.bench.empty:app", HOST, port, share=False), cwd=ROOT) as process,
        closing(HTTPConnection(HOST, port, timeout=30)) as kept,
    ):
        while asked(port, "/") is None:
            assert process.poll() is None
        before = [posted(kept), posted(kept)]
        process.terminate()
        while asked(port, "/healthz") == 200:  # until the signal is there
            pass
        last = posted(kept)
        assert process.wait(30) in {0, -signal.SIGTERM}
    assert (before, last) == ([(200, None), (200, None)], (200, "close"))


def posted(connection: HTTPConnection) -> tuple[int, str | None]:
    """The status of an answer over this connection, and what becomes of that."""
    connection.request("POST", "/")
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("connection")
