"""The lifecycle on the console: the same services as the pages, by the console itself."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from stat import S_IMODE

import pytest
from django.core.management import CommandError, call_command

from devices import clock, connectivity, keys
from devices.models import ApiKey, Device
from fleets.models import AuditEntry, Fleet
from tests.factories import make_device, make_fleet, make_uuid

pytestmark = pytest.mark.django_db

UUID = "4c5bd1a0f3de4d0e9f2b6a7c8d9e0f11"


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(slug="pumps", name="Pumps")


def told(command: str, *arguments: str) -> str:
    """What it printed."""
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def refusal(command: str, *arguments: str) -> str:
    with pytest.raises(CommandError) as refused:
        told(command, *arguments)
    return str(refused.value)


# One device


def test_a_device_is_preregistered_and_its_key_printed(fleet: Fleet) -> None:
    uuid, key = told("preregister", "pumps", "--name", "pump-1").split()
    device = Device.objects.get()
    assert (device.uuid, device.name, device.fleet, device.is_active) == (uuid, "pump-1", fleet, False)
    found = keys.find(key, ApiKey.Kind.DEVICE, clock.now())
    assert found is not None
    assert found.device == device
    assert AuditEntry.objects.get().actor_name == "the console"


@pytest.mark.parametrize(
    ("uuid", "words"), [("77", "A UUID has 32 or 62"), (UUID, f"already a device {UUID}")]
)
def test_a_uuid_that_cannot_be(fleet: Fleet, uuid: str, words: str) -> None:
    make_device(fleet, uuid=UUID)
    assert words in refusal("preregister", "pumps", "--uuid", uuid)
    assert Device.objects.count() == 1


def test_a_fleet_that_is_none() -> None:
    words = "No fleet has the address wells. Nothing was done."
    assert refusal("preregister", "wells") == words
    assert refusal("move", "wells", UUID) == words


# Many


def test_a_file_makes_devices_and_a_file_of_keys_for_the_owner_alone(fleet: Fleet, tmp_path: Path) -> None:
    file, out = tmp_path / "pumps.csv", tmp_path / "keys.csv"
    file.write_text(f"uuid,name\n{UUID},=pump\n,pump-2\n")
    said = told("preregister", "pumps", "--file", str(file), "--keys", str(out))
    assert said == f"2 devices are preregistered. Their keys are in {out}."
    assert S_IMODE(out.stat().st_mode) == 0o600
    first, second = csv.DictReader(out.read_text().splitlines())
    assert (first["uuid"], first["name"], second["name"]) == (UUID, "'=pump", "pump-2")
    for row in (first, second):
        found = keys.find(row["key"], ApiKey.Kind.DEVICE, clock.now())
        assert found is not None
        assert found.device is not None
        assert found.device.uuid == row["uuid"]
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["devices-preregistered", "keys-handed-out"]


def test_progress_is_told(fleet: Fleet, tmp_path: Path) -> None:
    file, error = tmp_path / "pumps.csv", io.StringIO()
    file.write_text("name\n" + "pump\n" * 700)
    arguments = ("pumps", "--file", str(file), "--keys", str(tmp_path / "keys.csv"))
    call_command("preregister", *arguments, stdout=io.StringIO(), stderr=error)
    assert error.getvalue().split("\n")[:2] == ["500 of 700", "700 of 700"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "name,uuid\na,77\nb,78\n",
            "Line 2, column uuid: A UUID has 32 or 62 characters (0 to 9 and a to f).",
        ),
        (f"uuid\n{UUID}\n", "Line 2, column uuid: Another device on this site already has 4c5bd1a."),
    ],
)
def test_a_bad_file_makes_nothing_and_no_file_of_keys(
    fleet: Fleet, tmp_path: Path, text: str, words: str
) -> None:
    make_device(uuid=UUID)
    file, out = tmp_path / "pumps.csv", tmp_path / "keys.csv"
    file.write_text(text)
    said = refusal("preregister", "pumps", "--file", str(file), "--keys", str(out))
    assert said.startswith(words)
    assert said.endswith("Nothing was done.")
    assert not out.exists()
    assert Device.objects.count() == 1


def test_keys_go_into_no_file_that_is_there(fleet: Fleet, tmp_path: Path) -> None:
    file, out = tmp_path / "pumps.csv", tmp_path / "keys.csv"
    file.write_text("name\npump\n")
    out.write_text("mine")
    assert "cannot be created: File exists" in refusal(
        "preregister", "pumps", "--file", str(file), "--keys", str(out)
    )
    assert out.read_text() == "mine"
    assert not Device.objects.exists()


def test_a_file_needs_a_place_for_its_keys_and_must_be_there(fleet: Fleet, tmp_path: Path) -> None:
    missing = str(tmp_path / "none.csv")
    assert "--file requires --keys" in refusal("preregister", "pumps", "--file", missing)
    assert "cannot be read" in refusal("preregister", "pumps", "--file", missing, "--keys", missing)


# Deactivate, move, delete


def test_devices_are_deactivated_but_those_with_a_link(fleet: Fleet) -> None:
    off, on = make_device(fleet), make_device(fleet)
    connectivity.record_heartbeats([on.pk])
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 2 were not deactivated"):
        call_command("deactivate", off.uuid, on.uuid, stdout=out)
    first, second = out.getvalue().strip().split("\n")
    assert first == f"{off.uuid}: deactivated"
    assert second.startswith(
        f"{on.uuid}: not done. {on} cannot be deactivated. The API heartbeat is on time."
    )
    assert told("deactivate", off.uuid) == f"{off.uuid}: already inactive"
    assert list(Device.objects.order_by("pk").values_list("is_active", flat=True)) == [False, True]


def test_devices_are_moved_within_their_organization(fleet: Fleet) -> None:
    near, far = make_device(make_fleet(fleet.organization)), make_device()
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 2 were not moved"):
        call_command("move", "pumps", near.uuid, far.uuid, stdout=out)
    assert out.getvalue().startswith(f"{near.uuid}: moved to pumps\n{far.uuid}: not done. ")
    assert told("move", "pumps", near.uuid) == f"{near.uuid}: already in pumps"
    assert list(Device.objects.filter(fleet=fleet)) == [near]


def test_deleting_says_what_it_would_end_and_does_so_only_when_told(fleet: Fleet) -> None:
    device, other = make_device(fleet, name="pump-1"), make_device(fleet)
    said = told("delete", device.uuid)
    assert said.startswith(f"{device.uuid}: would be deleted: pump-1, fleet pumps, organization ")
    assert "Nothing was deleted" in said
    assert Device.objects.count() == 2
    assert told("delete", device.uuid, "--yes") == f"{device.uuid}: deleted"
    assert list(Device.objects.all()) == [other]
    assert AuditEntry.objects.get().action == "device-deleted"


@pytest.mark.parametrize("command", [["deactivate"], ["move", "pumps"], ["delete", "--yes"]])
def test_nothing_is_done_where_one_is_not_there(fleet: Fleet, command: list[str]) -> None:
    device, missing = make_device(), make_uuid()
    said = refusal(*command, device.uuid, missing)
    assert said == f"No device has the UUID {missing}. Nothing was done."
    assert Device.objects.get().is_active
    assert not AuditEntry.objects.exists()
