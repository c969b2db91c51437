"""Two ingest processes on one port, as the launcher runs them: real processes under concurrent load."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil

from dashboard import listen
from tests.devices.ingest.client import Client
from tests.devices.ingest.real_site import DEVICES, PATIENCE, ROOT, Site, Told, check, database, load

APP = "devices.ingest.asgi:app"
FAIR = DEVICES // 6  # connections that each of two gets at least; fewer come once in 10^13 times

WAITING = "SELECT pid FROM pg_locks WHERE relation = 'devices_heartbeat'::regclass AND NOT granted"
POLLED = """
SELECT count(*) FROM devices_heartbeat h JOIN devices_device d ON d.id = h.device_id
WHERE d.uuid = ANY(%s) AND h.last_poll_at >= %s
"""


@dataclass(frozen=True)
class Launched:
    launcher: subprocess.Popen[bytes]
    port: int

    def sockets(self, status: str) -> Iterator[tuple[int, int]]:
        """Of each process its id and, for connections in this state, the caller's port (0: none)."""
        for process in psutil.Process(self.launcher.pid).children():
            with suppress(psutil.Error):  # it has just ended
                for each in process.net_connections("tcp"):
                    if each.status == status and each.laddr.port == self.port:
                        yield process.pid, getattr(each.raddr, "port", 0)

    def listening(self) -> set[int]:
        return {pid for pid, _ in self.sockets(psutil.CONN_LISTEN)}

    def callers(self) -> dict[int, int]:
        """Which process has accepted the connection from a port."""
        return {port: pid for pid, port in self.sockets(psutil.CONN_ESTABLISHED)}

    @contextmanager
    def a_client_of_each(self) -> Iterator[list[Client]]:
        """Connections made until each process has one."""
        opened: list[Client] = []
        clients: dict[int, Client] = {}
        try:
            while clients.keys() != self.listening():
                opened.append(client := Client(self.port))
                client.connection.connect()
                wait_until(lambda: client.local_port in self.callers())
                clients[self.callers()[client.local_port or 0]] = client
            yield list(clients.values())
        finally:
            for client in opened:
                client.close()


def wait_until(condition: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.02)


def stays(condition: Callable[[], bool]) -> bool:
    """Whether it holds for a second: what was answered before may still be on its way."""
    began = time.monotonic()
    while condition():
        if time.monotonic() - began > 1:
            return True
        time.sleep(0.02)
    return False


@contextmanager
def two_processes(site: Site) -> Iterator[Launched]:
    command = [*listen.command(APP, listen.HOST, site.port, share=False), "--processes", "2"]
    with subprocess.Popen(command, cwd=ROOT, env=site.environment) as launcher:
        try:
            launched = Launched(launcher, site.port)
            wait_until(lambda: len(launched.listening()) == 2)
            yield launched
        finally:
            launcher.terminate()


@contextmanager
def held(site: Site) -> Iterator[Callable[[], int]]:
    """No heartbeat is recorded inside this block; gives how many transactions wait for its end."""
    with database(site.state) as connection, connection.transaction():
        connection.execute("LOCK TABLE devices_heartbeat IN ACCESS EXCLUSIVE MODE")
        yield lambda: len(connection.execute(WAITING).fetchall())


def test_both_serve_and_when_one_is_killed_the_other_goes_on_until_it_is_replaced(site: Site) -> None:
    with two_processes(site) as launched:
        before, shares = launched.listening(), Counter[int]()
        killed = min(before)

        def kill_one(told: Told) -> None:
            with held(site):
                wait_until(lambda: stays(lambda: told.under_way == DEVICES))
                shares.update(launched.callers().values())
                os.kill(killed, signal.SIGKILL)
            wait_until(lambda: launched.listening() == before - {killed})
            answered = Client(site.port)
            assert answered.call("POST", "heartbeat", site.keys[min(site.keys)]).status == 200
            answered.close()

        told = load(site, kill_one)
        wait_until(lambda: len(launched.listening()) == 2)
        assert killed not in launched.listening()
        with launched.a_client_of_each() as clients:
            for client, uuid in zip(clients, site.keys, strict=False):
                assert client.call("POST", "heartbeat", site.keys[uuid]).status == 200
    assert min(shares[pid] for pid in before) >= FAIR
    assert told.failed >= shares[killed]
    check(site, told)


def test_a_revoked_key_is_refused_by_both_at_the_next_call(site: Site) -> None:
    lost, kept = list(site.keys.values())[:2]
    with two_processes(site) as launched, launched.a_client_of_each() as clients:
        assert [client.call("POST", "heartbeat", lost).status for client in clients] == [200, 200]
        revoke = [sys.executable, "manage.py", "revoke_key", lost]
        with subprocess.Popen(revoke, cwd=ROOT, env=site.environment, stdout=subprocess.DEVNULL) as revoking:
            while revoking.poll() is None:  # an idle connection would be closed
                assert [client.call("POST", "heartbeat", kept).status for client in clients] == [200, 200]
                time.sleep(0.2)
        assert revoking.returncode == 0
        assert [client.call("POST", "heartbeat", lost).status for client in clients] == [401, 401]
        assert [client.call("POST", "heartbeat", kept).status for client in clients] == [200, 200]


def test_both_answer_what_is_under_way_when_they_are_asked_to_end(site: Site) -> None:
    sent_at, devices = datetime.now(UTC), list(site.keys)[:2]
    with (
        two_processes(site) as launched,
        launched.a_client_of_each() as clients,
        ThreadPoolExecutor(2) as threads,
    ):
        with held(site) as waiting:
            under_way = [
                threads.submit(client.call, "POST", "heartbeat", site.keys[uuid])
                for client, uuid in zip(clients, devices, strict=True)
            ]
            wait_until(lambda: waiting() == 2)
            launched.launcher.terminate()
            wait_until(lambda: refused(site.port))
        assert [call.result().status for call in under_way] == [200, 200]
        assert launched.launcher.wait(PATIENCE) == 0
    with database(site.state) as connection:
        polled = connection.execute(POLLED, [devices, sent_at]).fetchone()
    assert polled == (2,)


def refused(port: int) -> bool:
    try:
        socket.create_connection((listen.HOST, port), 1).close()
    except ConnectionRefusedError:
        return True
    return False
