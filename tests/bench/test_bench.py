"""A short run with few devices, so that the benchmark cannot rot."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.bench.load import stride_for
from tests.bench.options import ROOT
from tests.copies import copied

pytestmark = pytest.mark.thorough

DATABASE = f"lookout_bench_test_{os.getpid()}"  # others run beside this one


@pytest.fixture
def environment(tmp_path: Path, migrated: str) -> Iterator[dict[str, str]]:
    """The run's own: our database server, and on it databases of its own by any name that it chooses."""
    own = {
        "DATABASE_URL": settings.DATABASE_URL,
        "DATABASE_OWNER_URL": settings.DATABASE_OWNER_URL,
        "BENCH_DATABASE": DATABASE,
        "STATE_DIRECTORY": str(tmp_path),
    }
    names = [DATABASE, *(f"{DATABASE}_{size}" for size in ("500", "2000", "500_5000"))]
    with copied(migrated, *names):
        yield os.environ | own


def measured(program: str, environment: dict[str, str]) -> str:
    """What the benchmark prints."""
    run = subprocess.run(
        [sys.executable, "-m", program],
        env=environment,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.system
@pytest.mark.skipif(
    shutil.which("wrk") is None and not os.environ.get("CI"), reason="wrk is not installed: apt install wrk"
)
def test_a_short_run_is_measured_and_counted(environment: dict[str, str], tmp_path: Path) -> None:
    chosen = {"DEVICES": "2000", "SECONDS": "1", "CONNECTIONS": "20", "PROCESSES": "2"}
    said = measured("tests.bench", environment | chosen)
    (file,) = (tmp_path / "bench").glob("*.json")
    kept = json.loads(file.read_text())
    assert kept["options"] == {"devices": 2000, "seconds": 1, "connections": 20, "processes": 2}
    for line in kept["figures"]:
        assert line["rate"] > 0, line
        assert line["errors"] == 0, line
        assert line["name"] in said
    for name, count in kept["acknowledged"].items():
        assert count["right"], name
        assert count["acknowledged"] > 0, name


@pytest.mark.system
@pytest.mark.skipif(
    shutil.which("wrk") is None and not os.environ.get("CI"), reason="wrk is not installed: apt install wrk"
)
def test_the_seconds_after_an_outage_are_measured_beside_usual_ones(
    environment: dict[str, str], tmp_path: Path
) -> None:
    chosen = {"DEVICES": "2000", "SECONDS": "3", "CONNECTIONS": "20", "PROCESSES": "2"}
    said = measured("tests.bench.outage", environment | chosen)
    kept = json.loads((tmp_path / "bench" / "outage-2000.json").read_text())
    assert "The outage was closed after" in said
    for load in (kept["before"], kept["after"]):
        assert sum(load["seconds"]) > 0
        assert load["wal"] > 0


@pytest.mark.system
def test_every_page_is_measured_and_the_slowest_explained(
    environment: dict[str, str], tmp_path: Path
) -> None:
    said = measured(
        "tests.bench.pages",
        environment | {"SIZES": "2000", "TIMES": "1", "ONLY": "no filter|Fleets|file|tag put"},
    )
    kept = json.loads((tmp_path / "bench" / "pages-2000.json").read_text())
    assert kept["memory"] > 0
    for line in kept["lines"]:
        assert line["name"] in said
        assert line["p50"] > 0, line
        assert line["queries"] > 0, line
        assert (line["sent"] > 0) != ("unchanged" in line["name"]), line
        assert (line["compressed"] > 0) != ("unchanged" in line["name"]), line
    assert [each["devices"] for each in kept["large"]] == [2000] * 6
    assert all(each["memory"] > 0 for each in kept["large"])
    for name, plan in kept["plans"].items():
        assert f"The longest query of “{name}”" in said
        assert "Execution Time" in plan


def test_the_histories_are_measured_and_agree(environment: dict[str, str], tmp_path: Path) -> None:
    said = measured("tests.bench.history", environment | {"DEVICES": "500", "ROWS": "5000", "TIMES": "1"})
    kept = json.loads((tmp_path / "bench" / "history-500-5000.json").read_text())
    assert kept["rows"] >= 5000
    for line in kept["lines"]:
        assert line["name"] in said
        assert line["p50"] >= 0, line  # nobody waited, where all was quick
        assert f"“{line['name']}”:\n{line['plan'][:40]}" in said


def test_a_change_of_a_rule_reaches_every_device(environment: dict[str, str], tmp_path: Path) -> None:
    said = measured("tests.bench.rules", environment | {"DEVICES": "500", "QUIET": "0.2"})
    kept = json.loads((tmp_path / "bench" / "rules-500.json").read_text())
    assert 400 < kept["changed"] <= 500  # the others came to it by a report of their own
    assert f"{kept['changed']} devices were brought to it" in said
    assert kept["meanwhile"]["longest"] >= kept["meanwhile"]["median"]


def test_alerts_are_measured_and_told(environment: dict[str, str], tmp_path: Path) -> None:
    chosen = {"DEVICES": "500", "SECONDS": "1", "TIMES": "1", "RULES": "7", "DELAY": "1"}
    said = measured("tests.bench.alerts", environment | chosen)
    kept = json.loads((tmp_path / "bench" / "alerts-500.json").read_text())
    signals = {name: cost["signals"] for name, cost in kept["written"].items()}
    assert signals == {"Without triggers of alerts": 0, "Without rules": 0, "With rules": 2}
    for name, cost in kept["written"].items():
        assert f"{name}  " in said
        assert min(cost["change"], cost["heartbeat"], cost["microseconds"]) > 0, name
    assert (kept["told"], kept["incidents"]) == (2, 1)  # once lost and once back; all share an address
    assert kept["deadline_told"] == 1
    assert min(kept["rate"], kept["p50"], kept["deadline_p50"], kept["memory"]) > 0


def test_a_flood_of_sign_ins_stops_no_heartbeat_and_is_no_outage(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """One process serves both, hashes as in production, and is sent 100 sign-ins at once."""
    said = measured("tests.bench.signins", environment | {"DEVICES": "500", "TIMES": "2", "RATE": "30"})
    kept = json.loads((tmp_path / "bench" / "signins.json").read_text())
    quiet, busy, sign_ins = kept["lines"]
    assert kept["outages"] == 0
    for line in (quiet, busy):
        assert line["statuses"] == {"200": line["calls"]}
        assert line["name"] in said
    assert sign_ins["calls"] == 200
    assert set(sign_ins["statuses"]) == {"200", "503"}  # none fails, none is left without an answer


@pytest.mark.system
def test_an_idle_site_is_measured_process_by_process(tmp_path: Path) -> None:
    chosen = {"DEVICES": "20", "SECONDS": "2", "STATE_DIRECTORY": str(tmp_path)}
    said = measured("tests.bench.idle", os.environ | chosen)
    kept = json.loads((tmp_path / "bench" / "idle.json").read_text())
    names = {process["name"] for process in kept["processes"]}
    assert {"dashboard.listen", "manage.py run_background", "postgres"} <= names
    for process in kept["processes"]:
        assert process["name"][:60] in said
        assert process["memory"] > 0, process


@pytest.mark.parametrize("devices", [1, 2, 7, 200, 1000, 100_000])
def test_a_load_meets_every_device_before_any_again(devices: int) -> None:
    stride, met, device = stride_for(devices), set(), 0
    for _ in range(devices):
        device = (device + stride) % devices
        met.add(device)
    assert len(met) == devices


def test_a_short_run_of_sweeps_writes_what_changed(environment: dict[str, str]) -> None:
    said = measured("tests.bench.mirror", environment | {"DEVICES": "30"})
    assert "30 created" in said
    assert said.count("30 changed") == 2
    assert "goals for 30 devices" in said
