"""What befell the devices of incidents has words, whatever a rule found."""

from __future__ import annotations

import pytest

from devices import clock
from devices.alerts import comparing, shares, snapshot, unseen
from devices.alerts.sentences import sentences
from devices.listing import grouping
from devices.listing.line_sentences import ALONE
from devices.models import Outage
from fleets.models import Fleet
from tests.factories import T0, make_device, make_fleet, seconds
from tests.incidents import make_incident, make_rule, put_in

pytestmark = pytest.mark.django_db

FOUND = [*ALONE, *comparing.WHAT.values()]


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet()


@pytest.mark.parametrize("what", FOUND)
@pytest.mark.parametrize("over", [{}, {"state": "resolved", "resolved_at": T0, "now": 0}])
def test_one_device_and_several_have_a_sentence(fleet: Fleet, what: str, over: dict[str, object]) -> None:
    alone = {"kind": grouping.ALONE, "key": "", "what": what, "now": 1, "at_most": 1, "rank": 2}
    one = make_incident(fleet.organization, T0, **alone | over)
    put_in(one, [make_device(fleet, name="kiosk-1")], make_rule(fleet.organization), rank=2)
    many = make_incident(fleet.organization, T0, what=what, **over)
    said = sentences([one, many], T0)
    assert said[one.pk].startswith("kiosk-1 ")
    assert "203.0.113.7" in said[many.pk]
    assert "needs attention" not in said[one.pk]


def test_a_share_names_no_device(fleet: Fleet) -> None:
    alone = {"kind": grouping.ALONE, "key": "", "what": shares.WHAT, "now": 1, "at_most": 1}
    one = make_incident(fleet.organization, T0, **alone)
    nobody = make_device(fleet)
    nobody.pk, nobody.uuid, nobody.name = shares.NO_DEVICE, "", ""
    put_in(one, [nobody], make_rule(fleet.organization))
    assert sentences([one], T0)[one.pk] == (
        "The share of devices with the statuses of a rule is above its limit"
    )


@pytest.mark.parametrize(("after", "known"), [(0, False), (1, True)])
def test_what_was_lost_while_we_were_away_is_said_to_be(fleet: Fleet, after: int, known: bool) -> None:  # noqa: FBT001
    """It counts from the beginning of our absence."""
    began = T0 - seconds(600)
    Outage.objects.create(began_at=began, ended_at=T0)
    incident = make_incident(fleet.organization, T0, first=began + seconds(after), last=began + seconds(90))
    at = clock.moment(T0)
    taken = snapshot.taken(incident, snapshot.read([incident], at)[incident.pk], at, reason="fired", rules=[])
    assert (taken["lost_between"] is None) == known
    assert unseen.lost_between([make_incident(fleet.organization, T0, what="heartbeat")]) == {}


def test_what_was_lost_unseen_at_last_was_lost_until_our_return(fleet: Fleet) -> None:
    began = T0 - seconds(600)
    Outage.objects.create(began_at=began, ended_at=T0)
    at_once = make_incident(fleet.organization, T0, first=began, last=began)
    seen = make_incident(fleet.organization, T0, first=began, last=T0 + seconds(30))
    said = sentences([at_once, seen], T0)
    assert "within 10\u00a0min" in said[at_once.pk]
    assert "within 11\u00a0min" in said[seen.pk]


def test_an_end_reads_as_the_past(fleet: Fleet) -> None:
    alone = {"kind": grouping.ALONE, "key": "", "what": "heartbeat", "at_most": 1, "now": 0}
    one = make_incident(fleet.organization, T0, state="resolved", resolved_at=T0, **alone)
    put_in(one, [make_device(fleet, name="tram-1")], make_rule(fleet.organization))
    assert sentences([one], T0)[one.pk] == "tram-1 was Offline"
