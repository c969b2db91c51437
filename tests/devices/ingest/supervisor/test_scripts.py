"""What the scripts of balenaOS send, as they send it: with curl, to the whole site.

resin-device-register, resin-device-progress, timesync-https, os-config and sshd of meta-balena 8; the OS
updates of balenahup 4.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dashboard.asgi import application
from devices.ingest.app import Ingest
from devices.ingest.native import calls as native
from devices.ingest.supervisor import calls as supervisor
from devices.models import Device
from devices.status.reading import with_status
from tests.devices.ingest.raw import unlimited
from tests.devices.ingest.server import serving
from tests.devices.ingest.world import World

UUID = "5" * 32
KEY = "chosen-by-the-flasher-0123456789"
HUP = ("--silent", "--retry", "10", "--fail", "--location", "--compressed")


@dataclass(frozen=True)
class Told:
    status: str
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Script:
    """curl at a device."""

    curl: str
    site: str
    output: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.curl, *arguments], capture_output=True, text=True, timeout=60, check=False
        )

    def call(self, path: str, key: str, *arguments: str) -> Told:
        """The status and the body as scripts look at them."""
        self.output.unlink(missing_ok=True)
        authorized = ("--header", f"Authorization: Bearer {key}")
        told = ("-w", "%{http_code}", "-o", str(self.output))
        done = self.run("-s", *authorized, *told, *arguments, f"{self.site}{path}")
        return Told(done.stdout, self.output.read_text() if self.output.exists() else "")

    def register(self, key: str, **more: str) -> Told:
        """What resin-device-register does."""
        fields = {"application": "1234", "device_type": "intel-nuc", "uuid": UUID, "api_key": KEY} | more
        return self.call("/device/register", key, "-X", "POST", *form(fields))

    def progress(self, percentage: str, state: str) -> Told:
        """What resin-device-progress does, of a flasher and of an OS update."""
        fields = {"provisioning_progress": percentage, "provisioning_state": state, "status": "configuring"}
        options = ("--show-error", "-L", "--retry", "3")
        return self.call(f"/v6/device(uuid='{UUID}')", KEY, "-X", "PATCH", *options, *form(fields))

    def read(self, path: str, key: str = KEY) -> Told:
        """What balenahup does."""
        return self.call(path, key, *HUP)


def form(fields: dict[str, str]) -> list[str]:
    return [word for name, text in fields.items() for word in ("--data-urlencode", f"{name}={text}")]


@pytest.fixture
def script(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    curl = shutil.which("curl")
    if curl is None:
        missing = "no curl in PATH: what the scripts of balenaOS send is not tried"
        if os.environ.get("REQUIRE_PEERS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    app = Ingest((*native.CALLS, *supervisor.CALLS), unlimited())
    monkeypatch.setattr("dashboard.asgi.ingest", app)  # stopped with the server, unlike the one it replaces
    with serving(application) as port:
        yield Script(curl, f"http://127.0.0.1:{port}", tmp_path / "answer")


def status() -> Any:
    return with_status(Device.objects.filter(uuid=UUID)).get().status


def test_a_flasher_registers_its_device_and_says_how_far_it_is(world: World, script: Script) -> None:
    pinged = script.run("-sL", "-w", "%{http_code}", f"{script.site}/ping", "-o", os.devnull)
    assert pinged.stdout == "200"
    registered = script.register(world.provisioning_key, supervisor_version="19.0.5")
    device = Device.objects.get(uuid=UUID)
    assert (registered.status, registered.json["id"]) == ("201", device.pk)
    assert (device.device_type, device.supervisor_version) == ("intel-nuc", "19.0.5")
    assert status() == "post-provisioning"
    for percentage in ("0", "40", "100"):
        assert script.progress(percentage, "Flashing balenaOS on internal media").status == "200"
        device.refresh_from_db()
        assert (status(), device.provisioning_progress) == ("configuring", int(percentage))
    assert script.progress("100", "Post-Provisioning").status == "200"
    assert status() == "post-provisioning"
    # A release to which it is pinned is of a cloud; the script takes nothing but 200 for done.
    pinned = script.call(
        f"/v6/device(uuid='{UUID}')", KEY, "-X", "PATCH", *form({"should_be_running__release": "7"})
    )
    assert pinned.status == "200"


def test_a_flasher_with_a_wrong_key_or_twice(world: World, script: Script) -> None:
    assert script.register("nonsense").status == "401"
    assert script.register(world.provisioning_key, uuid="x").status == "400"
    assert script.register(world.provisioning_key).status == "201"
    assert script.register(world.provisioning_key).status == "409"
    assert script.call(f"/v6/device(uuid='{UUID}')", "nonsense", "-X", "PATCH", "-d", "").status == "401"


def test_an_os_update_reads_back_what_it_reported(world: World, script: Script) -> None:
    """It says once a minute for an hour that it failed, unless it reads that this is known."""
    assert script.register(world.provisioning_key, supervisor_version="13.1.0").status == "201"
    by_uuid = f"/v6/device(uuid='{UUID}')"
    for state, percentage in (("Preparing OS update", 25), ("OS update failed", 100)):
        assert script.progress(str(percentage), state).status == "200"
        told = script.read(f"{by_uuid}?$select=provisioning_state,provisioning_progress")
        assert told.json == {"d": [{"provisioning_progress": percentage, "provisioning_state": state}]}
    versions = "?$select=supervisor_version&$expand=should_be_managed_by__supervisor_release($top=1)"
    assert script.read(f"{by_uuid}{versions}").json == {"d": [{"supervisor_version": "13.1.0"}]}
    slug = "?$select=is_of__device_type&$expand=is_of__device_type($select=slug)&$filter=uuid%20eq%20%27{}%27"
    told = script.read(f"/v6/device{slug.format(UUID)}")
    assert told.json == {"d": [{"is_of__device_type": [{"slug": "intel-nuc"}]}]}
    # Who holds the card learns no more than the id.
    number = Device.objects.get(uuid=UUID).pk
    assert script.read(by_uuid, world.provisioning_key).json == {"d": [{"id": number}]}
    assert script.read(by_uuid, world.device_key).status == "401"


def test_an_os_update_finds_no_releases_here(world: World, script: Script) -> None:
    managed = f"$filter=should_manage__device/any(d:d/uuid%20eq%20'{world.device.uuid}')"
    for path in (
        f"/v6/supervisor_release?$select=supervisor_version,image_name&{managed}",
        "/v5/supervisor_release?$select=id,image_name&$filter=((device_type%20eq%20'pi'))",
        "/v6/release?$select=id&$expand=contains__image/image&$filter=(raw_version%20eq%20'6.0.0')",
        f"/v5/device_config_variable?$filter=device/uuid%20eq%20'{world.device.uuid}'",
    ):
        told = script.read(path, world.device_key)
        assert (told.status, told.json) == ("200", {"d": []})


def test_a_device_sets_its_clock(script: Script) -> None:
    done = script.run("-m10", "-k", "-I", "-s", f"{script.site}/connectivity-check")
    lines = done.stdout.splitlines()
    assert lines[0].split()[1] == "204"
    assert [line.split()[-1] for line in lines if line.lower().startswith("date:")] == ["GMT"]


@pytest.mark.parametrize(
    "path",
    [
        "/os/v1/config",
        "/auth/v1/public-keys/root",
        "/auth/v1/token?service=registry.example&scope=repository:v2/5:pull",
        "/download?deviceType=intel-nuc&version=6.0.0&fileType=.gz",
    ],
)
def test_what_only_a_cloud_has_is_told_in_few_bytes_and_never_a_page(
    world: World, script: Script, path: str
) -> None:
    told = script.call(path, world.device_key, "--location", "--compressed")
    assert (told.status, told.json["field"]) == ("404", "path")
    assert len(told.body) < 100


def test_json_that_curl_says_is_a_form(world: World, script: Script) -> None:
    body = json.dumps({"application": 1, "uuid": UUID, "device_type": "pi", "api_key": KEY})
    assert script.call("/device/register", world.provisioning_key, "-d", body).status == "201"
    said = json.dumps({"provisioning_progress": 40, "provisioning_state": "Flashing"})
    assert script.call(f"/v6/device(uuid='{UUID}')", KEY, "-X", "PATCH", "-d", said).status == "200"
    assert status() == "configuring"
