"""What processes count: labels from fixed vocabularies, and counts that outlive the process that counted."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings

from dashboard import listen
from devices.ingest.app import Ingest
from devices.ingest.asgi import app
from devices.ingest.routes import Call
from devices.metrics import counters, files
from tests.copies import copied
from tests.devices.metrics.reading import Samples, samples, total

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0  # seconds
DATABASE = f"counted_{os.getpid()}"
NOTHING = {"dialect": "none", "call": "none", "code": "404"}  # labels of a call that does not exist


def test_calls_have_names_of_their_own_as_documented() -> None:
    paths = [call.path for methods in _methods() for call in methods.values()]
    named = {counters.template(path) for path in paths}
    assert {"/api/v1/heartbeat", "/device/v3/{uuid}/state", "/healthz", "/metrics"} <= named
    assert "/v5|v6|v7/device(uuid='{uuid}')" in named
    assert not [name for name in named if set(name) & set("\\?<>[]+")]
    assert {counters.dialect(path) for path in paths} == set(counters.DIALECTS) - {counters.NONE}
    assert counters.dialect("") == counters.template("") == counters.NONE


def _methods() -> Iterator[dict[str, Call[Ingest]]]:
    yield from app._routes._fixed.values()
    yield from (methods for _, methods in app._routes._patterns)


def test_no_request_creates_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    for status in (200, 404, 418, 503):
        counters.refused(status)
    reasons = {*counters.REASONS.values(), counters.OTHER}
    for metric in counters.REGISTRY.collect():
        for sample in metric.samples:
            labels = dict(sample.labels)
            assert set(labels) <= {"dialect", "call", "code", "reason", "page", "le"}
            assert labels.get("reason", counters.OTHER) in reasons
            assert labels.get("dialect", counters.NONE) in counters.DIALECTS
            assert int(labels.get("code", "200")) in range(100, 600)


def test_where_nothing_can_be_written_a_process_counts_for_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    files.begin(tmp_path / "file" / "metrics")
    assert files.collect() is None
    assert "keeps its counts for /metrics to itself" in caplog.text


@pytest.mark.parametrize("left", [b"", b"\x00" * 64, b"\xff" * 64, b"\x40\x00\x00\x00"])
def test_files_that_a_crash_of_the_machine_cut_are_dropped(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "dead.alive").touch()
    (tmp_path / "counter_dead.db").write_bytes(left)
    (tmp_path / f"counter_{files.FORMER}.db").write_bytes(left)
    files._tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"lock"}


class Site:
    """Server processes that share a directory and a port."""

    def __init__(self, state: Path, database: str) -> None:
        self.state, self.database, self.running = state, database, list[subprocess.Popen[bytes]]()
        with listen.bind(listen.HOST, 0) as free:
            self.port: int = free.getsockname()[1]

    def start(self) -> subprocess.Popen[bytes]:
        """Start a process of the ingest, and wait until it answers."""
        command = listen.command("devices.ingest.asgi:app", listen.HOST, self.port, share=True)
        environment = os.environ | {
            "STATE_DIRECTORY": str(self.state),
            "DATABASE_URL": self.database,
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "DATABASE_ROLE": "application",
        }
        known = set(self.state.glob("metrics/*.alive"))
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        self.running.append(process)
        began = time.monotonic()
        while set(self.state.glob("metrics/*.alive")) <= known or not self.answers():
            assert process.poll() is None
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.05)
        return process

    def answers(self) -> bool:
        try:
            return self.call("GET", "/livez")[0] == 200
        except OSError:
            return False

    def call(self, method: str, path: str) -> tuple[int, str]:
        """Status and text of the answer of one of the processes."""
        connection = HTTPConnection(listen.HOST, self.port, timeout=PATIENCE)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def scrape(self) -> Samples:
        status, text = self.call("GET", "/metrics")
        assert status == 200
        return samples(text)


@contextmanager
def site_in(state: Path, database: str) -> Iterator[Site]:
    site = Site(state, database)
    try:
        yield site
    finally:
        for process in site.running:
            process.kill()
            process.wait(PATIENCE)


@pytest.mark.thorough
def test_counts_only_grow_while_processes_are_killed(tmp_path: Path, migrated: str) -> None:
    with copied(migrated, DATABASE), site_in(tmp_path, url_of(DATABASE)) as site:
        first, _second = site.start(), site.start()
        for _ in range(20):
            assert site.call("GET", "/nothing")[0] == 404
        counted = [site.scrape()]
        assert total(counted[0], "lookout_calls_total", **NOTHING) == 20
        for number in (21, 22, 23):
            first.kill()
            first.wait(PATIENCE)
            first = site.start()
            site.call("GET", "/nothing")
            counted.append(_scraped(site, number))
        first.send_signal(signal.SIGTERM)
        first.wait(PATIENCE)
        site.running[1].kill()
        site.running[1].wait(PATIENCE)
        site.start()
        counted.append(site.scrape())
    assert total(counted[-1], "lookout_calls_total", **NOTHING) == 23
    for before, after in pairwise(counted):
        shrunk = {key for key, value in before.items() if _only_grows(key[0]) and after.get(key, 0) < value}
        assert not shrunk
    assert len(list(tmp_path.glob("metrics/*.alive"))) <= 2


def url_of(database: str, like: str = "") -> str:
    """The URL of another database of the tests' server; `like`: as this URL, that of the application."""
    parts = urlsplit(like or settings.DATABASE_URL)
    return urlunsplit(parts._replace(path=f"/{database}"))


def _scraped(site: Site, calls: int) -> Samples:
    """A scrape that knows of so many calls: one from the memory of a process may be some seconds old."""
    began = time.monotonic()
    while total(found := site.scrape(), "lookout_calls_total", **NOTHING) < calls:
        assert time.monotonic() - began < PATIENCE
    return found


def _only_grows(name: str) -> bool:
    return name.endswith(("_total", "_count", "_sum", "_bucket"))
