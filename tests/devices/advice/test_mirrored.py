"""Advice about a device that is read from a source is true for it: the source is in charge of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from devices import clock, connectivity
from devices.advice import STEPS, check_next, doubt, steps, works_now
from devices.models import Device
from devices.rules.vocabulary import Status
from devices.status.explanation import explain
from devices.status.reading import with_status
from tests.devices.rules.test_rules import TABLE
from tests.factories import T0, make_device, make_fleet, make_organization, seconds
from tests.mirrors import HOST, mirror

pytestmark = pytest.mark.django_db

# What only this site does to its own devices, and what a source does not tell.
OF_THIS_SITE: Final = re.compile(
    r"deactivat|activates it|deleted?\b|delete a|this device's key|wrong key|fleet type or plan|standard type"
    r"|preregistered|register(ed)? itself|reach Lookout|the last contact was|No API contact yet",
    re.IGNORECASE,
)
IN_LINE: Final = "before it are deactivated or deleted"  # other devices, of this site too


def read(device: Device, elapsed: float = 1) -> Any:
    found = with_status(Device.objects.filter(pk=device.pk), T0 + seconds(elapsed))
    return found.select_related("fleet", "organization", "mirrored__source").get()


def told(device: Any, at: clock.Moment) -> Iterator[str]:
    """Every sentence that a page or a message says of a device: why, what works, what to check."""
    why = explain(device, at)
    yield from (why.sentence, why.because, *(f"{each.name}: {each.value}" for each in why.inputs))
    yield from (f"{ability.name}: {ability.why}" for ability in works_now(device, at.at))
    yield doubt(device, at.at)
    yield from (f"{check.title} {check.text}" for check in check_next(device, at))
    silent = steps(Status(device.status), server_silent=True, host=device.read_from)
    yield from (f"{check.title} {check.text}" for check in silent)


@pytest.mark.parametrize(("rule", "facts", "status"), TABLE)
def test_every_sentence_about_a_mirrored_device_is_true_for_it(
    rule: int, facts: dict[str, Any], status: Status
) -> None:
    device = make_device(make_fleet(make_organization(allowance=3)), last_contact_at=T0, **facts)
    mirror(device)
    now = read(device)
    assert now.status == status
    said = [sentence for sentence in told(now, clock.moment(T0 + seconds(1))) if IN_LINE not in sentence]
    if now.heartbeat == "unknown":  # there it never reported, either
        said = [sentence for sentence in said if "No API contact yet" not in sentence]
    assert [sentence for sentence in said if OF_THIS_SITE.search(sentence)] == []


def test_the_expression_finds_what_is_said_of_devices_of_this_site() -> None:
    found = {
        status
        for status in Status
        for step in steps(status)
        if OF_THIS_SITE.search(f"{step.title} {step.text}")
    }
    assert found == {Status.OFFLINE, Status.INACTIVE, Status.FROZEN}
    assert [status for status in Status if not steps(status, host=HOST)] == [Status.ONLINE]
    assert OF_THIS_SITE.search(steps(Status.OFFLINE, server_silent=True)[1].title)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status.OFFLINE, f"{HOST} decides whether it is still in service."),
        (Status.INACTIVE, f"{HOST} is in charge of its image, its key and whether it is active."),
        (Status.FROZEN, f"It is frozen here alone, and not at {HOST}."),
        (Status.HEARTBEAT_ONLY, f"TCP port 443 to the VPN server of {HOST} must be open."),
    ],
)
def test_steps_lead_to_the_source(status: Status, said: str) -> None:
    assert said in " ".join(check.text for check in steps(status, host=HOST))
    assert len(steps(status, host=HOST)) == len(STEPS[status])


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("recent", f"Polls as expected since 12:00:00, as read from {HOST}"),
        ("late", f"Its poll is late since 12:00:00, as read from {HOST}"),
        ("lost", f"No API contact since 12:00:00, as read from {HOST}"),
        ("unknown", "No API contact yet"),
    ],
)
def test_the_heartbeat_is_what_the_source_says(state: str, said: str) -> None:
    device = make_device(heartbeat_state=state, heartbeat_changed_at=T0 if state != "unknown" else None)
    mirror(device)
    inputs = explain(read(device), T0 + seconds(1)).inputs
    assert [each.value for each in inputs if each.name == "API heartbeat"] == [said]


def test_frozen_here_is_not_frozen_there() -> None:
    device = make_device(heartbeat_state="recent", heartbeat_changed_at=T0, frozen_reason="unpaid")
    mirror(device)
    releases = works_now(read(device), T0)[2]
    assert (releases.works, releases.why) == (True, "They arrive at the next poll.")


@pytest.mark.parametrize(
    ("vpn", "said"),
    [
        (
            True,
            f"{HOST} does not tell when it was last in contact. If it loses power, the VPN shows",
        ),
        (False, f"{HOST} does not tell when it was last in contact. It may be off already."),
    ],
)
def test_a_source_does_not_tell_the_last_contact(*, vpn: bool, said: str) -> None:
    device = make_device(
        heartbeat_state="recent", heartbeat_changed_at=T0, vpn_connected=vpn, last_contact_at=T0
    )
    mirror(device)
    assert doubt(read(device), T0).startswith(said)
    connectivity.record_heartbeats([device.pk], T0)  # as the relay does
    assert doubt(read(device), T0).startswith("The last contact was at 12:00:00.")


@pytest.mark.parametrize(
    ("active", "said"),
    [(True, f"It has never connected to {HOST}."), (False, f"It is not active at {HOST}.")],
)
def test_an_inactive_one_says_why(*, active: bool, said: str) -> None:
    device = make_device(is_active=active, provisioned_at=None)
    mirror(device)
    checks = check_next(read(device), clock.moment(T0))
    assert [check.text for check in checks if check.answered] == [said]
