"""The page of one incident, and what people do there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from devices import clock
from devices.alerts import acknowledging, mutes
from devices.models import AlertTarget, Mute
from fleets.models import Fleet, Role
from tests.factories import make_device, make_member, make_organization
from tests.incidents import MINUTE, hold, make_incident, make_rule, page_of, put_in, tell
from tests.pages import text_of

pytestmark = pytest.mark.django_db

# session, person, clock, organizations; incident; of its devices: ranks, how many share the cause; rules,
# messages, holds, mutes; forecast; what has moved, members, their devices; whether the first and
# the last were seen, growth, merged, who acknowledged; the source of the worst device
QUERIES = 21


def words_of(client: Client, path: str) -> str:
    return text_of(client.get(path)).replace("\u00a0", " ")


def test_it_says_what_happened_to_which_devices_and_what_was_told(reader: Client, fleet: Fleet) -> None:
    at, page = clock.now(), page_of(fleet.organization)
    incident = make_incident(fleet.organization, at - 4 * MINUTE, now=2, at_most=6)
    rule = make_rule(fleet.organization, runbook="https://wiki.example/power")
    put_in(incident, [make_device(fleet, name=f"kiosk-{number}") for number in range(2)], rule)
    put_in(
        incident,
        [make_device(fleet, name="kiosk-9")],
        rule,
        state="gone",
        gone_at=at - MINUTE,
        reason="recovered",
    )
    tell(incident, page, at - 3 * MINUTE)
    webhook = AlertTarget.objects.create(organization=fleet.organization, kind="webhook", name="Ops")
    tell(incident, webhook, at, outcome="", next_at=at + MINUTE, accepted_at=None, error="connection refused")
    hold(incident, AlertTarget.objects.create(organization=fleet.organization, kind="ntfy", name="Phone"), at)
    path = f"/incidents/{incident.uuid}/"
    words = words_of(reader, path)
    assert "2 of 6 devices at 203.0.113.7 lost the VPN within 60 s and are Offline" in words
    assert "Firing for 4 min" in words
    assert "Critical" in words
    assert "First message to Page Summary 1 Accepted" in words
    assert "First message to Ops Summary 1 connection refused Next attempt" in words
    assert "Held for Phone Maintenance until" in words
    assert "The first device lost the VPN" in words
    assert "https://wiki.example/power" in words
    assert "kiosk-0" in words
    assert "kiosk-9" not in words
    assert "Recovered" in words_of(reader, f"{path}?devices=gone")
    assert "kiosk-9" in words_of(reader, f"{path}?devices=gone")


def test_what_is_over_says_how_long_it_lasted_and_what_became_of_its_devices(
    reader: Client, fleet: Fleet
) -> None:
    at = clock.now()
    over = {"state": "resolved", "resolved_at": at - MINUTE, "now": 0, "at_most": 3}
    incident = make_incident(fleet.organization, at - 27 * MINUTE, **over)
    rule, gone = make_rule(fleet.organization), {"state": "gone", "gone_at": at - MINUTE}
    put_in(incident, [make_device(fleet) for _ in range(2)], rule, reason="recovered", **gone)
    put_in(incident, [make_device(fleet)], rule, reason="deactivated", **gone)
    words = words_of(reader, f"/incidents/{incident.uuid}/")
    assert "Over after 26 min" in words
    assert "2 devices recovered, 1 device was deactivated" in words
    assert "Acknowledge" not in words


def test_an_operator_acknowledges_it_and_withdraws(reader: Client, user: User, fleet: Fleet) -> None:
    incident = make_incident(fleet.organization, clock.now())
    path = f"/incidents/{incident.uuid}/"
    fields = {"acknowledge-note": "On my way", "acknowledge-until": "4h"}
    assert reader.post(f"{path}acknowledge/", fields).status_code == 302
    words = words_of(reader, path)
    assert f"Acknowledged by {user.username} until" in words
    assert "On my way" in words
    assert f"{user.username} acknowledged it for 12 devices" in words
    assert reader.post(f"{path}withdraw/").status_code == 302
    words = words_of(reader, path)
    assert f"{user.username} withdrew the acknowledgement" in words
    assert "Acknowledged by" not in words


def test_what_is_over_is_acknowledged_by_nobody(reader: Client, fleet: Fleet) -> None:
    at = clock.now()
    incident = make_incident(fleet.organization, at, state="resolved", resolved_at=at)
    for action in ("acknowledge", "withdraw"):
        answer = reader.post(f"/incidents/{incident.uuid}/{action}/", follow=True)
        assert "The incident is over already" in text_of(answer)


def test_looking_acknowledges_nothing(reader: Client, fleet: Fleet) -> None:
    incident = make_incident(fleet.organization, clock.now())
    assert reader.get(f"/incidents/{incident.uuid}/acknowledge/").status_code == 405
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_an_observer_mutes_it_for_herself_only(client: Client, fleet: Fleet) -> None:
    incident = make_incident(fleet.organization, clock.now())
    mia = make_member(fleet.organization, Role.OBSERVER)
    client.force_login(mia)
    path = f"/incidents/{incident.uuid}/"
    assert "Everybody" not in words_of(client, path)
    fields = {"mute-whom": "all", "mute-until": "1d", "mute-note": "Known"}
    assert client.post(f"{path}mute/", fields).status_code == 302
    made = Mute.objects.get()
    assert (made.person, made.incident, made.note) == (mia, incident, "Known")
    assert client.post(f"{path}acknowledge/").status_code == 403


def test_a_mute_for_everybody_requires_a_note(reader: Client, fleet: Fleet) -> None:
    incident = make_incident(fleet.organization, clock.now())
    path = f"/incidents/{incident.uuid}/"
    fields = {"mute-whom": "all", "mute-until": "7d"}
    assert "Say why" in text_of(reader.post(f"{path}mute/", fields))
    reader.post(f"{path}mute/", fields | {"mute-note": "Rebuilt on Monday"})
    words = words_of(reader, path)
    assert "muted it for everybody" in words
    assert "Rebuilt on Monday" in words


def test_a_mute_is_ended_by_who_sees_it(reader: Client, user: User, fleet: Fleet) -> None:
    at, incident = clock.now(), make_incident(fleet.organization, clock.now())
    values = {
        "what": incident,
        "organization": fleet.organization,
        "until": at + timedelta(hours=1),
        "at": at,
    }
    own = mutes.mute(actor=user, for_all=False, **values)  # type: ignore[arg-type]
    theirs = mutes.mute(actor=make_member(fleet.organization), for_all=False, **values)  # type: ignore[arg-type]
    path = f"/incidents/{incident.uuid}/mutes"
    assert reader.post(f"{path}/{own.uuid}/end/").status_code == 302
    assert reader.post(f"{path}/{theirs.uuid}/end/").status_code == 404
    assert [one.pk for one in Mute.objects.filter(until__gt=clock.now())] == [theirs.pk]


def test_strangers_find_nothing(reader: Client) -> None:
    incident = make_incident(make_organization(), clock.now())
    assert reader.get(f"/incidents/{incident.uuid}/").status_code == 404
    for action in ("acknowledge", "withdraw", "mute"):
        assert reader.post(f"/incidents/{incident.uuid}/{action}/").status_code == 404


def test_a_target_of_somebody_else_is_not_shown(reader: Client, fleet: Fleet) -> None:
    at, incident = clock.now(), make_incident(fleet.organization, clock.now())
    other = make_member(fleet.organization)
    phone = AlertTarget.objects.create(
        organization=fleet.organization, kind="ntfy", name="Night phone", person=other
    )
    tell(incident, phone, at)
    hold(incident, phone, at, reason="quiet", words="")
    assert "Night phone" not in words_of(reader, f"/incidents/{incident.uuid}/")


@pytest.mark.parametrize("number", [1, 30])
def test_any_number_of_devices_takes_as_many_queries(
    reader: Client, user: User, fleet: Fleet, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    incident = make_incident(fleet.organization, clock.now(), now=2 * number)
    put_in(incident, [make_device(fleet) for _ in range(2 * number)], make_rule(fleet.organization))
    for _ in range(number):
        tell(incident, page_of(fleet.organization), clock.now())
        acknowledging.acknowledge(incident=incident, actor=user)
    with django_assert_num_queries(QUERIES):
        reader.get(f"/incidents/{incident.uuid}/")
