"""A service tells systemd that it has started, and that it does not hang."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.server.service_manager import ALIVE, READY, notify
from tests.worker import PATIENCE, a_worker


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """It listens as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE)
        yield listener


def test_it_is_told_at_a_path_and_at_a_name(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    notify(READY)
    assert manager.recv(64) == b"READY=1"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as named:
        named.bind(f"\0{manager.getsockname()}")
        named.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{manager.getsockname()}")
        notify(ALIVE)
        assert named.recv(64) == b"WATCHDOG=1"


def test_without_it_or_when_it_is_gone_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify(READY)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify(READY)


@pytest.mark.django_db(transaction=True)
def test_the_teller_is_ready_and_then_lives_as_long_as_its_rounds_end(manager: socket.socket) -> None:
    with a_worker("manage.py", "tell", "--watch", NOTIFY_SOCKET=manager.getsockname()):
        assert manager.recv(64) == b"READY=1"
        assert [manager.recv(64) for _ in range(2)] == [b"WATCHDOG=1"] * 2
