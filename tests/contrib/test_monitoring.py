"""What is shipped for Prometheus and Grafana: Prometheus loads it, and it names only metrics that exist."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from devices.metrics import counters, site
from tests.copies import copied
from tests.devices.metrics.test_counters import DATABASE, site_in, url_of
from tests.programs import required

CONTRIB: Final = Path(__file__).resolve().parents[2] / "contrib"
RULES: Final = CONTRIB / "prometheus/rules.yml"
DASHBOARD: Final = CONTRIB / "grafana/lookout.json"
SUFFIXES: Final = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def promtool(*arguments: str, text: str = "") -> str:
    """What promtool says; fails if it finds a fault."""
    done = subprocess.run(
        [required("promtool"), *arguments],
        input=text,
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_loads_the_rules() -> None:
    assert "5 rules found" in promtool("check", "rules", str(RULES))


def test_the_rules_fire_when_something_is_wrong_and_only_then(tmp_path: Path) -> None:
    tests = Path(__file__).with_name("rules_test.yml").read_text().replace("RULES", str(RULES))
    (tmp_path / "tests.yml").write_text(tests)
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "tests.yml"))


def test_a_real_scrape_is_as_prometheus_wants_it(tmp_path: Path, migrated: str) -> None:
    with copied(migrated, DATABASE), site_in(tmp_path, url_of(DATABASE)) as running:
        running.start()
        running.call("POST", "/api/v1/heartbeat")
        running.call("GET", "/nothing")
        status, text = running.call("GET", "/metrics")
    assert status == 200
    assert "lookout_batch_seconds_bucket" in text
    assert promtool("check", "metrics", text=text) == ""


@pytest.mark.django_db
def test_dashboard_and_rules_name_only_metrics_that_exist() -> None:
    metrics = [*site.read("0"), *counters.REGISTRY.collect()]
    known = {metric.name + suffix for metric in metrics for suffix in SUFFIXES[metric.type]}
    known.add("lookout_verification_differences")  # from the first night on
    named = set(re.findall(r"\blookout_\w+", RULES.read_text()))
    expressions = list(_expressions(json.loads(DASHBOARD.read_text())))
    assert len(expressions) > 15
    for expression in expressions:
        named |= set(re.findall(r"\blookout_\w+", expression))
    assert not named - known


def _expressions(thing: Any) -> Iterator[str]:
    """Every expression in a dashboard."""
    for key, value in thing.items() if isinstance(thing, dict) else enumerate(thing):
        if key in {"expr", "definition"}:
            yield value
        elif isinstance(value, dict | list):
            yield from _expressions(value)
