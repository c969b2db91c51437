"""The server processes under load, and the processor time and memory that they and PostgreSQL use."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from django.db import connection

from dashboard import listen
from tests.bench.options import ROOT
from tests.bench.peak import peak_of

START_PATIENCE = 60.0  # seconds


class Servers:
    """Processes of one ASGI app that share a port: the kernel spreads connections over them."""

    def __init__(self, port: int, processes: list[psutil.Popen]) -> None:
        self.url = f"http://{listen.HOST}:{port}"
        self.processes = processes

    def cpu(self) -> float:
        """Seconds of processor time that the processes have used so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    def peak_memory(self) -> float:
        """The peak memory of the largest of the processes, in megabytes."""
        return max(peak_of(process.pid) for process in self.processes) / 1e6


@contextmanager
def serving(app: str, processes: int) -> Iterator[Servers]:
    """So many processes serve `app` during the block; raises RuntimeError if they do not start."""
    with listen.reserved(listen.HOST, 0) as port:
        started = [start(app, port) for _ in range(processes)]
        try:
            for process in started:
                wait_until_listening(process)
            yield Servers(port, started)
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(30)


def start(app: str, port: int) -> psutil.Popen:
    command = [sys.executable, "-m", "tests.listen", app, "--port", str(port), "--share"]
    return psutil.Popen(command, env=os.environ | {"DATABASE_ROLE": "application"}, cwd=ROOT)


def wait_until_listening(process: psutil.Popen) -> None:
    for _ in range(int(START_PATIENCE / 0.05)):
        if process.poll() is not None:
            break
        if any(each.status == psutil.CONN_LISTEN for each in process.net_connections("tcp")):
            return
        time.sleep(0.05)
    raise RuntimeError("A server process did not start.")


class Postgres:
    """The PostgreSQL server of the connection, if it runs on this machine."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid(), inet_server_addr() IS NULL")
            pid, near = cursor.fetchone()
        self.postmaster = psutil.Process(pid).parent() if near and psutil.pid_exists(pid) else None

    def cpu(self) -> float | None:
        """Seconds of processor time of all its processes, also ended ones; None if it runs elsewhere."""
        if self.postmaster is None:
            return None
        seconds = sum(self.postmaster.cpu_times()[:4])  # with its ended children
        for process in self.postmaster.children():
            with suppress(psutil.NoSuchProcess):
                seconds += sum(process.cpu_times()[:2])
        return seconds


def wal_position() -> int:
    """The position in the write-ahead log, in bytes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return int(cursor.fetchone()[0])
