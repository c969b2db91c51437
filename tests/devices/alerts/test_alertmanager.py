"""Debian's own Alertmanager takes what is sent to it: an alert that fires, and its end."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devices import clock
from devices.alerts import transports
from devices.alerts.transports.envelope import Envelope, Outcome
from tests.devices.alerts.sending import RESOLVED, make_message, make_target
from tests.programs import required
from tests.worker import PATIENCE, wait_until

pytestmark = pytest.mark.django_db

CONFIGURATION = "route:\n  receiver: nobody\nreceivers:\n- name: nobody\n"


@pytest.fixture
def alertmanager(tmp_path: Path, loopback: None) -> Iterator[str]:
    """The address of one that tells nobody."""
    program = required("prometheus-alertmanager")
    (tmp_path / "configuration.yml").write_text(CONFIGURATION)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [
            program,
            f"--config.file={tmp_path / 'configuration.yml'}",
            f"--storage.path={tmp_path}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: alerts(f"http://{address}") is not None)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def alerts(url: str) -> list[Any] | None:
    """The alerts that fire there; None: it does not answer yet."""
    with suppress(OSError), urllib.request.urlopen(f"{url}/api/v2/alerts") as answer:  # noqa: S310 - our own
        return list(json.load(answer))
    return None


def test_an_alert_fires_and_ends(alertmanager: str) -> None:
    target = make_target("alertmanager", configuration={"url": alertmanager})
    now = clock.now()
    began: dict[str, Any] = {"opened_at": (now - timedelta(minutes=3)).isoformat()}
    first = make_message(target, at=now, **began)
    assert transports.send(Envelope(target, [first], now)).outcome == Outcome.ACCEPTED
    (alert,) = alerts(alertmanager) or []
    assert alert["labels"]["incident"] == str(first.snapshot["incident"])
    ended = RESOLVED | began | {"resolved_at": now.isoformat()}
    over = make_message(target, first.incident, 2, "resolved", at=now, **ended)
    assert transports.send(Envelope(target, [over], now)).outcome == Outcome.ACCEPTED
    wait_until(lambda: alerts(alertmanager) == [])
