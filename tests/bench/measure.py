"""One measurement: a load or a ceiling, and the resources that it used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.load import Load
from tests.bench.processes import Postgres, Servers, wal_position


@dataclass(frozen=True)
class Figures:
    """A line of the table; None: it does not apply, or cannot be measured from this machine."""

    name: str
    rate: float  # per second, accepted and durable
    p50: float | None = None  # milliseconds
    p99: float | None = None
    errors: int = 0  # refused or broken
    server_cpu: float | None = None  # microseconds per call, of the server processes
    database_cpu: float | None = None
    driver_cpu: float | None = None  # of wrk, which has no machine of its own
    wal: float | None = None  # bytes per call
    memory: float | None = None  # megabytes, the most that a server process had so far


class Meter:
    """Measures the resources that are used from its creation on, for each call."""

    def __init__(self, postgres: Postgres, servers: Servers | None = None) -> None:
        self._postgres, self._servers = postgres, servers
        self._server, self._database = servers.cpu() if servers else 0.0, postgres.cpu()
        self._wal = wal_position()

    def server_cpu(self, calls: int) -> float | None:
        return (self._servers.cpu() - self._server) / calls * 1e6 if self._servers else None

    def database_cpu(self, calls: int) -> float | None:
        now = self._postgres.cpu()
        return None if now is None or self._database is None else (now - self._database) / calls * 1e6

    def wal(self, calls: int) -> float:
        return (wal_position() - self._wal) / calls


def of_load(
    name: str, make: Callable[[], Load], postgres: Postgres, servers: Servers
) -> tuple[Figures, Load]:
    meter = Meter(postgres, servers)
    load = make()
    calls = max(load.answered, 1)
    figures = Figures(
        name=name,
        rate=load.rate,
        p50=load.p50,
        p99=load.p99,
        errors=load.refused + load.broken,
        server_cpu=meter.server_cpu(calls),
        database_cpu=meter.database_cpu(calls),
        driver_cpu=load.cpu / calls * 1e6,
        wal=meter.wal(calls),
        memory=servers.peak_memory(),
    )
    return figures, load


def of_single_updates(name: str, make: Callable[[], list[float]], postgres: Postgres) -> Figures:
    meter = Meter(postgres)
    took = sorted(make())
    return Figures(
        name=name,
        rate=len(took) / sum(took),
        p50=took[len(took) // 2] * 1000,
        p99=took[len(took) * 99 // 100] * 1000,
        database_cpu=meter.database_cpu(len(took)),
        wal=meter.wal(len(took)),
    )


def of_updates(name: str, make: Callable[[], tuple[int, float]], postgres: Postgres) -> Figures:
    meter = Meter(postgres)
    updated, seconds = make()
    return Figures(
        name=name,
        rate=updated / seconds,
        database_cpu=meter.database_cpu(updated),
        wal=meter.wal(updated),
    )
