"""Freezing under concurrency: whatever happens at the same moment, the rule names exactly who is frozen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError
from django.test import Client
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from devices import clock, connectivity, freezing, keys
from devices.ingest.app import Ingest
from devices.ingest.database import in_database
from devices.ingest.native.calls import CALLS
from devices.models import Device
from devices.operations import lifecycle
from devices.operations.fleet_settings import change_fleet
from fleets.models import Fleet, FleetType, Organization, Plan, Role
from tests.at_once import at_once
from tests.devices.ingest.client import Client as Agent
from tests.devices.ingest.raw import unlimited
from tests.devices.ingest.server import serving
from tests.examples import examples
from tests.factories import make_fleet, make_member, make_organization
from tests.fleets.services.fleets_page import counts_in

pytestmark = pytest.mark.django_db(transaction=True)

ACTIONS = ["register", "register", "preregister", "deactivate", "delete", "move", "poll", "allowance", "type"]
lives = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5)), min_size=1, max_size=5)


def expected(organization: Organization) -> dict[int, str]:
    """Who is frozen and why, by the rule of domain.md, from the facts as they stand."""
    organization.refresh_from_db()
    reasons: dict[int, str] = {}
    line = []
    for device in Device.objects.filter(organization=organization).select_related("fleet"):
        if organization.unpaid:
            reasons[device.pk] = "unpaid"
        elif organization.plan == Plan.FREE and device.fleet.type == FleetType.PAID:
            reasons[device.pk] = "fleet-type"
        elif device.is_active:
            line.append((device.activated_at, device.pk))
    if organization.allowance is not None:
        reasons |= {pk: "allowance" for _, pk in sorted(line)[organization.allowance :]}
    return reasons


def frozen(organization: Organization) -> dict[int, str]:
    found = Device.objects.filter(organization=organization).exclude(frozen_reason="")
    return dict(found.values_list("pk", "frozen_reason"))


def work(organization: Organization, fleets: list[Fleet], action: str, which: int) -> None:
    """One action, on one of the devices that are there at this moment."""
    devices = list(Device.objects.filter(organization=organization).order_by("pk"))
    device = devices[which % len(devices)] if devices else None
    fleet = fleets[which % 2]
    works: dict[str, Callable[[], Any]] = {
        "register": partial(lifecycle.register, fleet=fleet),
        "preregister": partial(lifecycle.preregister, fleet=fleet, actor=None),
        "allowance": partial(
            freezing.change_plan,
            organization=organization,
            actor=None,
            plan=Plan.FREE,
            allowance=which,
            unpaid=which == 5,
        ),
        "type": partial(
            change_fleet, fleet=fleets[1], actor=None, type=(FleetType.PAID, FleetType.STANDARD)[which % 2]
        ),
    }
    if device:
        works |= {
            "deactivate": partial(lifecycle.deactivate, device=device, actor=None),
            "delete": partial(lifecycle.delete, device=device, actor=None),
            "move": partial(lifecycle.move, device=device, fleet=fleet, actor=None),
            "poll": partial(connectivity.record_heartbeats, [device.pk]),
        }
    with suppress(ObjectDoesNotExist, lifecycle.StillConnected):  # deleted meanwhile, or it polls
        try:
            in_database(works.get(action, int))
        except IntegrityError:  # the first poll of a device that is deleted: one of them comes again
            assert action in {"poll", "delete"}
            in_database(works[action])


# What depends on who comes first cannot be made shorter: a failure is as it was found.
@hypothesis_settings(
    max_examples=examples(6),
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(st.lists(lives, min_size=3, max_size=3))
def test_lives_at_the_same_time_leave_frozen_whom_the_rule_names(side_by_side: list[Any]) -> None:
    organization = make_organization(allowance=2)
    fleets = [make_fleet(organization), make_fleet(organization)]
    for _ in range(3):
        lifecycle.register(fleet=fleets[0])

    def live(life: list[tuple[str, int]]) -> None:
        for action, which in life:
            work(organization, fleets, action, which)

    assert at_once(*(partial(live, life) for life in side_by_side)) == [None] * 3
    reasons = expected(organization)
    assert frozen(organization) == reasons
    working = Device.objects.filter(organization=organization, is_active=True, frozen_reason="").count()
    assert organization.allowance is None or working <= organization.allowance
    the_pages_agree(organization, reasons)


def the_pages_agree(organization: Organization, reasons: dict[int, str]) -> None:
    """The numbers of the Fleets page, of the Devices page and of the meter are those of the rule."""
    client = Client()
    client.force_login(make_member(organization, Role.OBSERVER))
    devices = list(Device.objects.filter(organization=organization))
    overview, side = client.get("/").content.decode().split("</section>")[0].split("overview-side")
    counts, facets = counts_in(overview), client.get("/devices/").context["found"].counts
    assert counts["frozen"] == facets["frozen"] == counts_in(side)["frozen"] == len(reasons)
    assert sum(counts.values()) == sum(facets.values()) == len(devices)
    working = Counter(device.is_active and device.pk not in reasons for device in devices)[True]
    if organization.unpaid:
        assert working == 0
    else:
        assert f'aria-label="{working} of {organization.allowance} devices used"' in side


def test_two_registrations_over_two_ingests_race_for_the_last_place() -> None:
    organization = make_organization(allowance=3)
    fleet = make_fleet(organization)
    key = keys.new_provisioning_key(fleet)
    with serving(Ingest(CALLS, unlimited())) as one, serving(Ingest(CALLS, unlimited())) as other:
        for round_ in range(1, 4):
            answers = at_once(*(partial(register, port, key) for port in (one, other)))
            assert answers == [201, 201]
            assert frozen(organization) == expected(organization)
            assert len(frozen(organization)) == max(2 * round_ - 3, 0)


def register(port: int, key: str) -> int:
    """A device registers itself over HTTP; the status of the answer."""
    agent = Agent(port)
    try:
        return agent.call("POST", "register", key, {}).status
    finally:
        agent.close()


def test_the_last_place_goes_to_one_of_two_that_are_activated_at_once() -> None:
    organization = make_organization(allowance=1)
    fleet = make_fleet(organization)
    waiting = [lifecycle.preregister(fleet=fleet, actor=None)[0] for _ in range(2)]
    at = clock.now()
    at_once(
        *(
            partial(in_database, partial(connectivity.record_heartbeats, [device.pk], at))
            for device in waiting
        )
    )
    assert Device.objects.filter(is_active=True).count() == 2
    assert list(frozen(organization)) == [waiting[1].pk]
    assert frozen(organization) == expected(organization)
