"""A file whose rows cannot be read to their end: whoever takes it is told that it is not whole."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from django.http import HttpRequest
from django.urls import path
from pytest_django import Settings

from dashboard.asgi import InOneThread
from dashboard.http import request_limits
from dashboard.http.file_response import File, Row, csv_file
from tests.devices.ingest.server import serving

REFUSED, PARTIAL = 22, 18  # curl's exit statuses: an error as answer, "Partial file"


class Breaking:
    """A batch of rows, then the database is away."""

    async def __aiter__(self) -> AsyncIterator[list[Row]]:
        yield [(f"kiosk-{number}",) for number in range(2_000)]
        raise ConnectionError("the database went away")


def broken(request: HttpRequest) -> File:
    return csv_file("devices", ["name"], Breaking())


urlpatterns = [path("devices.csv", broken)]


# Django leaves the body of a request open whose answer breaks off.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(("kept", "status"), [(request_limits.RESPONSE_BUFFER, REFUSED), (0, PARTIAL)])
def test_curl_fails_where_the_rows_break_off(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kept: int,
    status: int,
    *,
    compressed: bool,
) -> None:
    """Also where a part of it was sent already, which is not kept back."""
    if shutil.which("curl") is None:
        missing = "no curl in PATH: downloads by curl not tested"
        pytest.fail(missing) if os.environ.get("REQUIRE_PEERS") == "1" else pytest.skip(missing)
    monkeypatch.setattr(request_limits, "RESPONSE_BUFFER", kept)
    # What is logged keeps that body, and is kept itself until the test is over.
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "disabled", True)
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, ["dashboard.http.compression.GZip"]
    with serving(request_limits.Limits(InOneThread())) as port:
        command = ["curl", "--fail", "--silent", "--output", str(tmp_path / "file")]
        command += ["--compressed"] * compressed
        url = f"http://127.0.0.1:{port}/devices.csv"
        ended = subprocess.run([*command, url], check=False, timeout=60)
    gc.collect()
    assert ended.returncode == status
