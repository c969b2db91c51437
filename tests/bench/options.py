"""The options of a run, as in `make bench DEVICES=1000000 SECONDS=20`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from environs import Env, validate

ROOT: Final = Path(__file__).resolve().parent.parent.parent
MOST: Final = 1_000_000


@dataclass(frozen=True)
class Options:
    devices: int  # below some 2,000 each calls so often that the rate limits on keys answer
    seconds: int  # of each load
    connections: int  # open at once, each with one request under way
    processes: int  # of the ingest
    database: str  # name; made, and kept for the next run of that size
    state: Path


def from_environment() -> Options:
    env = Env()
    positive = validate.Range(min=1)
    return Options(
        devices=env.int("DEVICES", 100_000, validate=validate.Range(min=1, max=MOST)),
        seconds=env.int("SECONDS", 10, validate=positive),
        connections=env.int("CONNECTIONS", 200, validate=positive),
        processes=env.int("PROCESSES", 2, validate=positive),
        database=env.str("BENCH_DATABASE", "lookout_bench"),
        state=Path(env.str("STATE_DIRECTORY", "") or ROOT / "var"),
    )
