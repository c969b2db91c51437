"""The migration of stored texts into the one form that is kept, and of words into how they are searched."""

from __future__ import annotations

from typing import Any, Final
from unicodedata import normalize

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from dashboard.models import User
from devices.listing.filters import Filters, unchanging
from devices.models import Description, Device, SavedView
from fleets.audit.search import Filters as AuditFilters
from fleets.audit.search import entries
from fleets.models import AuditEntry, Fleet
from tests.factories import T0, make_device, make_fleet, make_organization

NFD: Final = normalize("NFD", "Łódź é")
NFC: Final = normalize("NFC", NFD)


@pytest.mark.django_db(transaction=True)
def test_stored_texts_are_kept_as_new_ones_are_and_found(capsys: pytest.CaptureFixture[str]) -> None:
    last = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        _migrated([("devices", "0035_names_in_order"), ("fleets", "0005_names_in_order")])
        organization = make_organization()
        fleet = make_fleet(organization, name=NFD)
        plain = make_device(fleet, name="plain")
        make_device(fleet, name=NFD, notes=f"a\n{NFD}", tags={NFD: "1", NFC: "2", "site": "x\u202ey"})
        make_device(fleet, name="ΟΔΟΣ\u202e 7")
        ada = User.objects.create_user("ada", first_name=NFD)
        for name in (NFC, NFD):
            SavedView.objects.create(name=name, query="", owner=ada)
        AuditEntry.objects.create(
            at=T0, organization_id=organization.pk, actor_name="ada", action="x", subject_name=NFD
        )
        untouched = _versions(plain)
    finally:
        _migrated(last)
    assert Fleet.objects.get().name == User.objects.get().first_name == NFC
    assert list(SavedView.objects.order_by("pk").values_list("name", flat=True)) == [NFC, f"{NFC}-2"]
    _, one, other = Device.objects.order_by("pk")
    assert (one.name, one.notes, one.tags) == (NFC, f"a\n{NFC}", {NFC: "2", f"{NFC}-2": "1", "site": "xy"})
    assert other.name == "ΟΔΟΣ 7"
    assert Description.objects.get(device=one).recorded_tags == one.tags
    for text, device in ((NFD, one), (NFC, one), ("οδος", other), ("xy", one)):
        assert list(unchanging(Device.objects.all(), Filters(text=text))) == [device]
    assert entries(organization, AuditFilters(text=NFC)).count() == 1
    assert _versions(plain) == untouched
    assert "Texts of 2 devices were written in Unicode's form NFC" in capsys.readouterr().out


def _versions(device: Device) -> list[str]:
    """Where the row and its description lie: elsewhere once they are written."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.ctid::text, w.ctid::text FROM devices_device d"
            " JOIN devices_description w ON w.device_id = d.id WHERE d.id = %s",
            [device.pk],
        )
        return list(cursor.fetchone())


def _migrated(to: list[tuple[str, str]]) -> Any:
    return MigrationExecutor(connection).migrate(to)
