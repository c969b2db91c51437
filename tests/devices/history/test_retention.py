"""How long the histories reach back, and that what was true at the cut stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction

from devices import connectivity
from devices.connectivity import outages
from devices.history import retention
from devices.models import ConnectivityRecord, Device, Outage, Source, SourceOutage, StatusChange
from devices.operations import lifecycle
from tests.factories import make_device, make_fleet, make_organization, seconds

pytestmark = pytest.mark.django_db

JUNE = datetime(2026, 6, 10, tzinfo=UTC)
CUT = datetime(2026, 8, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def life(name: str, *moments: datetime) -> Device:
    """A device made in June that polled at these moments, and was lost after each."""
    device = make_device(make_fleet(poll_interval=10), name=name, created_at=JUNE)
    for moment in moments:
        connectivity.record_heartbeats([device.pk], moment)
    connectivity.settle(NOW)
    return device


def changes(device: Device) -> list[tuple[datetime, Any]]:
    return list(StatusChange.objects.filter(device=device).order_by("at", "id").values_list("at", "after"))


def where(device: Device) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tableoid::regclass::text FROM devices_statuschange WHERE device_id = %s"
            " ORDER BY 1",
            [device.pk],
        )
        return [name for (name,) in cursor.fetchall()]


@pytest.fixture
def since_june() -> None:
    retention.make_ahead(JUNE)


@pytest.mark.parametrize(
    ("days", "begins"), [(90, datetime(2026, 8, 1, tzinfo=UTC)), (31, datetime(2026, 10, 1, tzinfo=UTC))]
)
def test_the_histories_begin_with_the_month_that_the_days_ago_lie_in(days: int, begins: datetime) -> None:
    assert retention.cut_at(NOW, days) == begins


def test_months_are_made_ahead_once(since_june: None) -> None:
    later = datetime(2031, 12, 31, 23, 59, tzinfo=UTC)
    made = [
        f"{history}_{month}"
        for history in ("devices_connectivityrecord", "devices_statuschange")
        for month in ("2031_12", "2032_01", "2032_02", "2032_03")
    ]
    assert retention.make_ahead(later) == made
    assert retention.make_ahead(later) == []


def test_the_row_that_was_true_at_the_cut_is_kept(since_june: None) -> None:
    old = life("old", JUNE, datetime(2026, 7, 1, tzinfo=UTC))
    both = life("both", JUNE, datetime(2026, 9, 5, tzinfo=UTC))
    whole = changes(both)
    assert where(old) == ["devices_statuschange_2026_06", "devices_statuschange_2026_07"]
    dropped = retention.drop_old(CUT)
    assert dropped == [
        f"{history}_2026_{month}"
        for history in ("devices_statuschange", "devices_connectivityrecord")
        for month in ("06", "07")
    ]
    assert changes(old) == [(datetime(2026, 7, 1, tzinfo=UTC) + seconds(30), "offline")]
    assert changes(both) == whole[-3:]
    assert whole[-3] == (JUNE + seconds(30), "offline")
    links = ConnectivityRecord.objects.filter(device=old)
    assert [(link.link, link.after) for link in links] == [("heartbeat", "lost")]


def test_a_later_cut_keeps_what_an_earlier_one_kept(since_june: None) -> None:
    old = life("old", JUNE)
    kept = changes(old)[-1:]
    retention.drop_old(datetime(2026, 7, 1, tzinfo=UTC))
    retention.drop_old(CUT)
    assert changes(old) == kept
    assert where(old) == ["devices_statuschange_kept"]


def test_what_is_older_than_every_month_goes_too() -> None:
    device = make_device(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert where(device) == ["devices_statuschange_default"]
    retention.drop_old(CUT)
    assert where(device) == ["devices_statuschange_kept"]


def test_of_a_device_that_was_gone_by_then_nothing_stays(since_june: None) -> None:
    device = life("gone", JUNE)
    pk = device.pk
    lifecycle.delete(device=device, actor=None, at=JUNE + timedelta(days=3))
    retention.drop_old(CUT)
    assert not StatusChange.objects.filter(device=pk).exists()
    assert not ConnectivityRecord.objects.filter(device=pk).exists()


def test_outages_before_the_cut_go() -> None:
    for moment in (JUNE, JUNE + timedelta(hours=1), NOW):
        outages.record_liveness(moment)
    retention.drop_old(CUT)
    assert Outage.objects.get().ended_at == NOW


def test_a_history_is_cut_between_months_only() -> None:
    with pytest.raises(ProgrammingError, match="between two months"), transaction.atomic():
        retention.drop_old(JUNE)


def test_the_daily_work_makes_and_drops(since_june: None) -> None:
    life("old", JUNE)
    done = retention.keep(NOW)
    assert "devices_statuschange_2026_06" in done
    assert retention.keep(NOW) == []


def test_the_command_says_what_it_would_drop_before_it_drops(since_june: None) -> None:
    said = StringIO()
    call_command("keep_history", stdout=said)
    assert "would drop devices_statuschange_2026_06" in said.getvalue()
    assert "nothing was dropped" in said.getvalue()
    said = StringIO()
    call_command("keep_history", "--drop", stdout=said)
    assert "dropped devices_statuschange_2026_06" in said.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_application_s_role_may_do_it() -> None:
    with psycopg.connect(settings.DATABASE_URL, dbname=connection.settings_dict["NAME"]) as application:
        application.execute("SELECT devices_history_ahead('2040-01-01', 0)")
        application.execute("SELECT devices_history_cut('2020-01-01 00:00:00+00')")
        application.execute("SELECT count(*) FROM devices_statuschange")
        application.rollback()


@pytest.mark.usefixtures("since_june")
def test_outages_of_sources_are_kept_as_long_as_the_histories() -> None:
    source = Source.objects.create(
        organization=make_organization(), name="balena", address="https://api.example", created_at=JUNE
    )
    for ended_at in (CUT, CUT + seconds(1)):
        SourceOutage.objects.create(source=source, began_at=ended_at - seconds(600), ended_at=ended_at)
    retention.drop_old(CUT)
    assert SourceOutage.objects.get().ended_at == CUT + seconds(1)
