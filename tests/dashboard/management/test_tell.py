"""The command that tells: one process leads, and its rounds come soon after a change."""

from __future__ import annotations

import signal
from io import StringIO

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from dashboard.management.commands.tell import Command, pause
from devices import clock, connectivity
from devices.connectivity.ingest_processes import WANTED
from devices.models import AlertRule, Condition, IncidentMember, Listening, Teller
from fleets.postgres.leader import Leader
from tests.devices.alerts.test_rounds import make_rule
from tests.factories import T0, make_device, make_fleet, make_organization, seconds
from tests.worker import PATIENCE, a_worker, wait_until

LOCK = 4712


@pytest.mark.parametrize(("due", "expected"), [(None, 10.0), (3600, 10.0), (2.5, 2.5), (0.1, 0.8), (-9, 0.8)])
def test_the_next_round_is_when_it_is_due_but_within_ten_seconds(due: float | None, expected: float) -> None:
    assert pause(None if due is None else T0 + seconds(due), T0) == expected


@pytest.mark.django_db
def test_one_of_several_leads_and_gives_new_organizations_their_rules() -> None:
    organization, leader = make_organization(), Leader(LOCK)
    said = StringIO()
    assert Command(stdout=said).run_if_leading(leader, new=True) is not None
    assert said.getvalue() == "this process now tells of incidents\n"
    assert AlertRule.objects.filter(organization=organization).exists()
    assert Command(stdout=said).run_if_leading(Leader(LOCK), new=True) is None
    leader.resign()


@pytest.mark.django_db(transaction=True)
def test_it_asks_for_a_liveness_sign_before_a_round_that_has_something_to_do() -> None:
    fleet = make_fleet(vpn_enabled=False)
    make_rule(fleet)
    device = make_device(fleet, vpn_enabled=False)
    name = connection.settings_dict["NAME"]
    with psycopg.connect(settings.DATABASE_DIRECT_URL, dbname=name, autocommit=True) as ingest:
        ingest.execute(f"LISTEN {WANTED}")
        with a_worker("manage.py", "tell", "--watch"):
            wait_until(lambda: Teller.objects.filter(concluded_at__isnull=False).exists())
            connectivity.record_heartbeats([device.pk])
            asked = list(ingest.notifies(timeout=PATIENCE, stop_after=1))
    assert [each.channel for each in asked] == [WANTED]


@pytest.mark.django_db(transaction=True)
def test_a_change_becomes_a_member_and_a_signal_ends_the_process() -> None:
    fleet = make_fleet(vpn_enabled=False, poll_interval=10)
    make_rule(fleet, Condition.STATUS)
    device = make_device(fleet, vpn_enabled=False)
    now = clock.now()
    Listening.objects.create(pulse_at=now)
    connectivity.record_heartbeats([device.pk], now - seconds(60))
    with a_worker("manage.py", "tell", "--watch") as process:
        wait_until(lambda: IncidentMember.objects.filter(device_id=device.pk).exists())
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
