"""A port belongs to one server, or to processes that share it under one launcher."""

import logging
import socket
import subprocess
import sys
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
