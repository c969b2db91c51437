"""A short run with few devices, so that the benchmark cannot rot."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from tests.bench.load import stride_for
from tests.bench.options import ROOT

DATABASE = "lookout_bench_test"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The run's own: our database server, its own database, dropped afterwards."""
    own = {
        "DATABASE_URL": settings.DATABASE_URL,
        "DATABASE_OWNER_URL": settings.DATABASE_OWNER_URL,
        "BENCH_DATABASE": DATABASE,
        "STATE_DIRECTORY": str(tmp_path),
    }
    yield os.environ | own
    with psycopg.connect(settings.DATABASE_OWNER_URL, autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)')


@pytest.mark.skipif(
    shutil.which("wrk") is None and not os.environ.get("CI"), reason="wrk is not installed: apt install wrk"
)
def test_a_short_run_is_measured_and_counted(environment: dict[str, str], tmp_path: Path) -> None:
    chosen = {"DEVICES": "2000", "SECONDS": "1", "CONNECTIONS": "20", "PROCESSES": "2"}
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench"],
        env=environment | chosen,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    (file,) = (tmp_path / "bench").glob("*.json")
    kept = json.loads(file.read_text())
    assert kept["options"] == {"devices": 2000, "seconds": 1, "connections": 20, "processes": 2}
    for line in kept["figures"]:
        assert line["rate"] > 0, line
        assert line["errors"] == 0, line
        assert line["name"] in run.stdout
    for name, count in kept["acknowledged"].items():
        assert count["right"], name
        assert count["acknowledged"] > 0, name


@pytest.mark.parametrize("devices", [1, 2, 7, 200, 1000, 100_000])
def test_a_load_meets_every_device_before_any_again(devices: int) -> None:
    stride, met, device = stride_for(devices), set(), 0
    for _ in range(devices):
        device = (device + stride) % devices
        met.add(device)
    assert len(met) == devices
