"""The version before works with the tables of this one: its processes run until the last one is replaced.

`tests/upgrade/previous` names its commit. A release names itself there once the next one is begun.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

from tests.copies import copied

ROOT: Final = Path(__file__).resolve().parents[2]
COMMIT: Final = (Path(__file__).with_name("previous")).read_text().strip()
pytestmark = pytest.mark.thorough

NAME: Final = f"used_by_the_version_before_{os.getpid()}"
LOOKED_AT: Final = (
    "/",
    "/attention/",
    "/devices/",
    "/devices/devices.csv",
    "/incidents/",
    "/settings/{organization}/",
    "/settings/{organization}/audit/",
    "/fleets/{fleet}/",
    "/devices/{device}/",
)
LOOK: Final = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
from django.test import Client
from dashboard.models import User
from devices.models import Device
person = User.objects.earliest("pk")
device = Device.objects.select_related("fleet__organization").earliest("pk")
names = {"organization": device.fleet.organization.slug, "fleet": device.fleet.slug, "device": device.uuid}
client = Client(headers={"host": "localhost"})
client.force_login(person, "dashboard.account.backend.Backend")
for path in sys.argv[1:]:
    answer = client.get(path.format(**names), follow=True)
    b"".join(answer)
    print(path, answer.status_code)
"""


@dataclass(frozen=True)
class Version:
    """The code of a commit in a directory of its own, over the database of the test."""

    code: Path

    @property
    def environment(self) -> dict[str, str]:
        def at(url: str) -> str:
            found = conninfo_to_dict(url) | {"dbname": NAME}
            return f"postgresql://{found['user']}@/{NAME}?" + "&".join(
                f"{key}={found[key]}" for key in ("host", "port") if key in found
            )

        return {
            "PATH": os.environ["PATH"],
            "STATE_DIRECTORY": str(self.code / "var"),
            "LOCAL": "1",
            "PYTHONPATH": str(self.code),
            "DATABASE_URL": at(settings.DATABASE_URL),
            "DATABASE_OWNER_URL": at(settings.DATABASE_OWNER_URL),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.code,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """What it says; it must succeed."""
        with self.start(*arguments) as process:
            said, _ = process.communicate(timeout=180)
        assert process.returncode == 0, said
        return said


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Version:
    code = tmp_path_factory.mktemp("former")
    asked = subprocess.run(["git", "-C", ROOT, "archive", COMMIT], capture_output=True, check=False)
    why_not = f"commit {COMMIT} is not here: git fetch --unshallow"
    if asked.returncode and not os.environ.get("REQUIRE_SYSTEM"):
        pytest.skip(why_not)
    assert asked.returncode == 0, why_not
    with tarfile.open(fileobj=io.BytesIO(asked.stdout)) as files:
        files.extractall(code, filter="data")
    return Version(code)


@pytest.fixture(scope="module", autouse=True)
def tables(migrated: str) -> Iterator[None]:
    with copied(migrated, NAME):
        yield


def test_the_version_before_serves_people_and_devices_over_these_tables(former: Version) -> None:
    former.run("manage.py", "collectstatic", "--noinput")
    former.run("manage.py", "demo_data")
    assert former.run("-c", LOOK, *LOOKED_AT).splitlines()[-len(LOOKED_AT) :] == [
        f"{path} 200" for path in LOOKED_AT
    ]
    keys = json.loads((former.code / "var" / "demo.json").read_text())
    with former.start("-m", "dashboard.listen", "dashboard.asgi:application", "--port", "0") as site:
        try:
            assert site.stdout is not None
            line = next(line for line in site.stdout if "listening on" in line)
            address = line.split("listening on ")[1].strip()
            key = keys["fleets"][0]["provisioning_key"]
            made = called(f"{address}/api/v1/register", key, b'{"name": "new"}')
            assert "poll_interval" in called(
                f"{address}/api/v1/heartbeat", made["key"], b'{"release": "1.0"}'
            )
        finally:
            site.terminate()
            site.communicate(timeout=60)
    former.run("manage.py", "settle")
    former.run("manage.py", "tell")
    former.run("manage.py", "tally")
    ours = Version(ROOT)
    for version in (former, ours):
        assert version.run("manage.py", "verify_status").splitlines()[-1] == "All records match the facts."


def called(url: str, key: str, body: bytes) -> dict[str, str]:
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {key}"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        said: dict[str, str] = json.loads(answer.read())
    return said
