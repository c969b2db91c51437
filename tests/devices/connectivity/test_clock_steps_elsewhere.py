"""What else goes by the database's clock: leases, retention, keys, rollups, months, and checks by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import DateTimeField

from devices import clock, connectivity, keys
from devices.clock import steps
from devices.clock.trusted import trusted
from devices.connectivity import outages
from devices.history import retention, rollups
from devices.integrity.checks import AHEAD, disagreements
from devices.keys import usage as key_usage
from devices.models import (
    AlertRule,
    ApiKey,
    Device,
    DeviceList,
    FleetTally,
    FormerKey,
    Incident,
    IncidentMember,
    Listening,
    Outage,
    StatusChange,
    Verification,
    VpnServer,
)
from devices.status.reading import with_status
from tests.devices.connectivity.clock_set import DAY, at, dated_ahead, polled
from tests.factories import T0, make_device, make_fleet

pytestmark = pytest.mark.django_db


def test_a_lease_that_ended_ahead_stays_ended_and_the_next_sign_counts() -> None:
    device = make_device()
    connectivity.vpn_alive("vpn-1", at=at(0))
    connectivity.vpn_connected("vpn-1", [device.uuid], at(0))
    for moment in range(0, 602, 2):
        outages.record_liveness(at(moment))
    connectivity.settle(at(600))
    outages.record_liveness(at(30))
    assert list(disagreements(at(30))) == []
    assert not with_status(Device.objects.all(), at(30)).get().vpn
    assert connectivity.vpn_alive("vpn-1", at=at(31)) == 1
    assert VpnServer.objects.get().due_at == at(91)


# Otherwise: which module brings a column, or why it may lie ahead.
OTHERWISE = {
    "devices_apikey.expires_at": "it is meant to",
    "devices_apikey.registered_hour": "another hour than this counts as none",
    "devices_fleettally.at": "devices.history.rollups deletes hours that have not come",
    "devices_mute.until": "it is meant to",
    "devices_incident.acknowledged_until": "it is meant to",
    "devices_held.until": "telling asks again, at the latest when the incident is looked at",
    **dict.fromkeys(
        (
            "devices_incident.tell_at",
            "devices_incident.apart_at",
            "devices_incident.look_at",
            "devices_incidentmember.due_at",
            "devices_incidentmember.next_at",
            "devices_alertmessage.next_at",
            "devices_alerttarget.leased_until",
        ),
        "devices.clock.alert_steps has statements of their own, as they may lie ahead for a while",
    ),
    **dict.fromkeys(
        (
            "devices_heartbeat.last_poll_at",
            "devices_heartbeat.late_at",
            "devices_heartbeat.lost_at",
            "devices_heartbeat.due_at",
            "devices_heartbeat.recorded_other_at",
            "devices_vpnserver.last_sign_at",
            "devices_vpnserver.last_event_at",
            "devices_vpnserver.lease_until",
            "devices_vpnserver.due_at",
        ),
        "devices.clock.steps has statements of their own, as they keep their shape",
    ),
    **dict.fromkeys(
        (
            "devices_listening.pulse_at",
            "devices_listening.returned_at",
            "devices_listening.worked_at",
            "devices_listening.resumed_at",
            "devices_listening.moved_until",
            "devices_listening.stepped_at",
            "devices_listeningprocess.pulse_at",
            "devices_outage.began_at",
            "devices_outage.ended_at",
            "devices_sourceoutage.began_at",
            "devices_sourceoutage.ended_at",
        ),
        "devices.connectivity.outages does, which notices",
    ),
}


def test_every_moment_that_is_recorded_comes_to_the_present_or_is_excused() -> None:
    brought = {
        f"{dated.table}.{column}"
        for dated in (*steps.OF_DEVICES, *steps.OF_THE_SITE)
        for column in dated.columns
        if dated.table.startswith("devices_")
    }
    recorded = {
        f"{model._meta.db_table}.{column.column}"
        for model in apps.get_app_config("devices").get_models()
        for column in model._meta.concrete_fields
        if isinstance(column, DateTimeField) and not column.generated
    }
    assert brought | set(OTHERWISE) == recorded
    assert not brought & set(OTHERWISE)


def test_what_is_kept_for_a_while_is_not_kept_for_longer_once_the_clock_is_right() -> None:
    """The file of the keys of many devices above all, which is offered for 24 hours."""
    fleet = make_fleet()
    organization = fleet.organization
    listing = DeviceList.objects.create(
        organization=organization, fleet=fleet, count=1, created_at=at(DAY), keys_at=at(DAY)
    )
    FormerKey.objects.create(digest=b"1", organization=organization, device_uuid="0", deleted_at=at(DAY))
    Verification.objects.create(began_at=at(DAY), ended_at=at(DAY + 1), found=0, lines=[])
    assert len(dated_ahead(1)) == 3
    outages.set_right(at(1))
    assert dated_ahead(1) == []
    listing.refresh_from_db()
    assert (listing.created_at, listing.keys_at) == (at(1), at(1))


def test_what_alerts_wait_for_comes_no_later_than_from_now_on() -> None:
    """An incident and a message that were written while the clock was a day ahead."""
    organization = make_fleet().organization
    rule = AlertRule.objects.create(
        organization=organization, name="Offline", condition="status", delay=120, hold=120
    )
    incident = Incident.objects.create(
        organization=organization,
        kind=0,
        what="vpn",
        first=at(DAY),
        last=at(DAY),
        rank=0,
        state="gathering",
        severity="warning",
        opened_at=at(DAY),
        tell_at=at(DAY + 60),
        look_at=at(DAY + 60),
    )
    member = IncidentMember.objects.create(
        organization=organization,
        rule=rule,
        device_id=1,
        device_uuid="0",
        device_name="",
        state="pending",
        since=at(DAY),
        due_at=at(DAY + 120),
        next_at=at(DAY + 120),
        status="offline",
        rank=0,
        what="vpn",
        moment=at(DAY),
        fleet_id=1,
    )
    outages.set_right(at(1))
    incident.refresh_from_db()
    member.refresh_from_db()
    assert (incident.opened_at, incident.look_at) == (at(1), at(1))
    assert incident.tell_at == at(1 + 15 * 60)
    assert (member.since, member.due_at, member.next_at) == (at(1), at(121), at(121))
    assert dated_ahead(1) == []


def test_keys_say_when_they_were_used_since_the_clock_is_right() -> None:
    device = make_device()
    _, key = keys.issue(device, at=at(0))
    usage = key_usage.Usage()
    usage.note_used(key)
    usage.write(at(DAY))
    outages.record_liveness(at(DAY))
    outages.record_liveness(at(10))
    assert ApiKey.objects.get().last_used_at == at(10)
    usage.note_used(key)
    assert usage.write(at(3600)) == 1


def test_rollups_of_hours_that_have_not_come_go() -> None:
    polled(0)
    outages.record_liveness(at(DAY))
    connectivity.settle(at(DAY))
    rollups.keep(at(DAY))
    assert FleetTally.objects.filter(at__gt=at(4000)).exists()
    outages.record_liveness(at(4000))
    rollups.keep(at(4000))
    assert not FleetTally.objects.filter(at__gt=at(4000)).exists()
    assert rollups.keep(at(4000)) == 0
    assert list(disagreements(at(4000))) == []


def test_a_clock_that_is_ahead_deletes_no_history() -> None:
    retention.make_ahead(T0)
    polled(0)
    connectivity.settle(at(100))
    before = StatusChange.objects.count()
    outages.record_liveness(at(100))
    outages.record_liveness(at(365 * DAY))
    retention.keep(at(365 * DAY + 1))
    assert StatusChange.objects.count() == before
    outages.record_liveness(at(366 * DAY + 2))  # by now it is believed
    assert trusted(clock.moment(at(367 * DAY + 3))) == at(366 * DAY + 2)


def test_a_month_takes_over_the_rows_that_came_before_it_was_made() -> None:
    late = datetime(2041, 5, 3, tzinfo=UTC)
    device = make_device(created_at=late)
    assert retention.make_ahead(late)[0] == "devices_connectivityrecord_2041_05"
    with connection.cursor() as cursor:
        cursor.execute("SELECT device_id FROM devices_statuschange_2041_05")
        assert cursor.fetchall() == [(device.pk,)]
    assert retention.make_ahead(late) == []


# By hand


def test_verify_status_says_what_is_dated_ahead_and_repairs_it() -> None:
    now = clock.now()
    device = make_device(make_fleet(poll_interval=10), created_at=now)
    Listening.objects.create(pulse_at=now + timedelta(days=1))
    Outage.objects.create(began_at=now - timedelta(seconds=5), ended_at=now + timedelta(days=1))
    connectivity.record_heartbeats([device.pk], now + timedelta(days=1))
    said = StringIO()
    with pytest.raises(
        CommandError, match="--repair brings records that are dated in the future to the present"
    ):
        call_command("verify_status", stdout=said)
    for where in (
        "the liveness sign",
        "an outage",
        f"devices_heartbeat {device.pk}",
        f"devices_device {device.pk}",
    ):
        assert f"{AHEAD}: {where} has {now.year}" in said.getvalue()
    said = StringIO()
    call_command("verify_status", "--repair", stdout=said)
    first, last = said.getvalue().splitlines()
    assert first.startswith("The database's clock was set back by 23\N{NO-BREAK SPACE}h") or "1\xa0d" in first
    assert last == "All records match the facts."
    assert Outage.objects.get().ended_at < clock.now()
