"""The rules change: the example of docs/changing-a-rule.md, with a few devices."""

from __future__ import annotations

from io import StringIO
from itertools import islice

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from devices import connectivity
from devices.history.changes import reason_words
from devices.integrity import recompute
from devices.integrity.checks import RULES as BY_RULES
from devices.integrity.checks import disagreements
from devices.models import ConnectivityRecord, Device, StatusChange
from devices.rules import status_code
from devices.status.counts import count_by_status
from devices.status.expressions import definition
from tests.bench.rules.example import STRICTER
from tests.devices.status.polled import LATE, make_polled, status_at
from tests.factories import T0, seconds

pytestmark = pytest.mark.django_db

NOW = T0 + seconds(60)


def change_the_rules() -> None:
    """As the migration does."""
    with connection.cursor() as cursor:
        cursor.execute(definition(STRICTER))


def make_alone() -> Device:
    """Online by its heartbeat alone: its VPN is disabled on purpose."""
    return make_polled(vpn_enabled=False)


def last_change(device: Device) -> tuple[str | None, str | None, object, object]:
    change = StatusChange.objects.filter(device_id=device.pk).order_by("-at", "-id")[0]
    return change.before, change.after, change.at, change.reason["slug"]


def test_a_changed_rule_reaches_each_device_with_history_and_counts() -> None:
    alone, other = make_alone(), make_polled()
    connectivity.vpn_connected("vpn-1", [other.uuid], T0 + seconds(1))
    records = ConnectivityRecord.objects.count()
    assert list(disagreements(NOW)) == []

    change_the_rules()
    alone.refresh_from_db()
    assert (alone.recorded_status, status_at(alone, NOW)) == ("online", "heartbeat-only")
    assert [each.where for each in disagreements(NOW) if each.what == BY_RULES] == [alone.uuid]

    assert list(recompute.steps(NOW)) == [recompute.Step(1, alone.pk)]
    alone.refresh_from_db()
    assert alone.recorded_status == "heartbeat-only"
    assert status_code.status_of(alone.recorded_cell) == "heartbeat-only"
    assert last_change(alone) == ("online", "heartbeat-only", NOW, "rules-changed")
    assert last_change(other)[3] == "vpn-connected"
    assert count_by_status(Device.objects.filter(fleet=alone.fleet), NOW)["heartbeat-only"] == 1
    assert list(disagreements(NOW)) == []
    assert ConnectivityRecord.objects.count() == records  # no link changed, so none is unstable for it
    assert list(recompute.steps(NOW)) == []


def test_it_can_be_stopped_and_run_again() -> None:
    devices = [make_alone() for _ in range(5)]
    change_the_rules()
    first = list(islice(recompute.steps(NOW, batch=2), 1))
    assert first == [recompute.Step(2, devices[1].pk)]
    assert Device.objects.filter(recorded_status="heartbeat-only").count() == 2
    assert sum(step.changed for step in recompute.steps(NOW, batch=2)) == 3
    reasons = StatusChange.objects.filter(reason__slug=recompute.REASON)
    assert sorted(reasons.values_list("device_id", flat=True)) == [device.pk for device in devices]


def test_what_the_clock_has_done_comes_first() -> None:
    """Dated at its deadline, and by the rules of now: the device takes its status with that."""
    device, deadline = make_alone(), T0 + seconds(LATE)
    change_the_rules()
    assert list(recompute.steps(deadline + seconds(1))) == [recompute.Step(0, device.pk)]
    assert last_change(device) == ("online", "heartbeat-only", deadline, "heartbeat-late")
    assert list(disagreements(deadline + seconds(1))) == []


def test_whatever_else_writes_a_device_brings_it_to_the_rules_too() -> None:
    device = make_alone()
    change_the_rules()
    connectivity.vpn_connected("vpn-1", [device.uuid], NOW)
    connectivity.vpn_disconnected("vpn-1", [device.uuid], NOW + seconds(1))
    assert last_change(device) == ("online", "heartbeat-only", NOW + seconds(1), "vpn-disconnected")
    assert list(recompute.steps(NOW + seconds(2))) == []


def test_the_commands_say_what_to_do_and_what_is_done() -> None:
    make_alone()
    connectivity.settle()  # the command's clock is the database's: it is lost for long
    Device.objects.update(heartbeat_state="recent")
    change_the_rules()
    with pytest.raises(CommandError, match="recompute_statuses corrects recorded statuses"):
        call_command("verify_status", stdout=StringIO())
    said = StringIO()
    call_command("recompute_statuses", stdout=said)
    assert said.getvalue().splitlines() == [
        "1 devices got another status",
        "All recorded statuses match the rules.",
    ]


def test_the_reason_reads_as_a_phrase() -> None:
    assert reason_words({"slug": recompute.REASON}) == "the rules of the status changed"
