"""A job ends where the person who started it loses the role, or the account, in the middle of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection

from dashboard.models import User
from devices import freezing
from devices.background import bulk_action, plan_change, preregistration
from devices.freezing import freeze
from devices.jobs import runner
from devices.models import Device, Job, JobResult
from devices.operations import bulk_actions, fleet_settings, lifecycle
from devices.operations.device_file import Line
from devices.worker.registry import KINDS
from fleets.models import AuditEntry, Fleet, FleetType, Organization, Plan, Role
from fleets.services import fleets, members
from tests.at_once import WAIT, held_open, in_background
from tests.factories import make_devices, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)
DEVICES = 9
LOSSES = {
    "the role": "UPDATE fleets_membership SET role = 'observer' WHERE user_id = %s",
    "the membership": "DELETE FROM fleets_membership WHERE user_id = %s",
    "the account": "UPDATE dashboard_user SET is_active = false WHERE id = %s",
}


@pytest.fixture(autouse=True)
def many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few devices, each looking at the job."""
    for module, name, number in (
        (preregistration, "BATCH", 2),
        (bulk_action, "STEP", 2),
        (freeze, "BATCH", 2),
        (plan_change, "AT_ONCE", DEVICES - 1),
        (runner, "EVERY", 0),
    ):
        monkeypatch.setattr(module, name, number)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")  # no test empties the workers' own tables


@pytest.fixture
def organization() -> Organization:
    return make_organization("Halden", slug="halden")


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    fleet = make_fleet(organization, name="Kiosks", slug="kiosks")
    make_devices(fleet, DEVICES)
    return fleet


@pytest.fixture
def ada(organization: Organization) -> User:
    make_member(organization, Role.OWNER, "olga")
    return make_member(organization, Role.OWNER, "ada")


def an_import(fleet: Fleet, ada: User) -> Job:
    lines = [Line(number) for number in range(2, 2 + DEVICES)]
    listed = preregistration.keep(fleet=fleet, lines=lines, file_name="pumps.csv", actor=ada)
    return preregistration.confirm(listed=listed, actor=ada)


def an_action(fleet: Fleet, ada: User) -> Job:
    devices = Device.objects.all()
    selection = bulk_actions.select(organization=fleet.organization, devices=devices, listed=None)
    said = {"put": {"seen": ""}, "drop": []}
    return bulk_actions.start(selection=selection, action="tag", payload=said, title="Tag", actor=ada)


def a_plan(fleet: Fleet, ada: User) -> Job:
    of = fleet.organization
    seen = freezing.plan_version(of)
    job = plan_change.change_plan(
        organization=of, actor=ada, plan=Plan.FREE, allowance=None, unpaid=True, seen=seen
    )
    assert isinstance(job, Job)
    return job


def a_fleets_type(fleet: Fleet, ada: User) -> Job:
    seen = fleets.version(fleets.settings_of(fleet))
    job = plan_change.change_fleet(fleet=fleet, actor=ada, seen=seen, type=FleetType.PAID)
    assert job
    return job


def lose(loss: str, ada: User) -> None:
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute(loss, [ada.pk])


def run_until(job: Job, looks: int, loss: str, ada: User) -> Job:
    """Runs the job; at this look of the job at itself, in the middle of it, the loss commits elsewhere."""
    left = [looks]

    def stopping() -> bool:
        left[0] -= 1
        if left[0] == 0:
            lose(loss, ada)
        return False

    runner.run(job.uuid, kinds=KINDS, stopping=stopping)
    assert left[0] <= 0  # it came to that look
    return Job.objects.get(pk=job.pk)


def state_of_all() -> list[tuple[object, ...]]:
    """All that these jobs change."""
    devices = Device.objects.order_by("pk").values_list("pk", "tags", "frozen_reason")
    return [*devices, *Fleet.objects.values_list("type"), *Organization.objects.values_list("plan", "unpaid")]


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize(
    ("start", "role"), [(an_import, "Operator"), (a_plan, "Owner"), (a_fleets_type, "Administrator")]
)
def test_an_import_a_plan_or_a_fleets_type_whose_starter_loses_the_role_in_the_middle_changes_nothing(
    fleet: Fleet,
    ada: User,
    start: Callable[[Fleet, User], Job],
    role: str,
    loss: str,
) -> None:
    job, before = start(fleet, ada), state_of_all()
    ended = run_until(job, 3, loss, ada)
    assert (ended.state, ended.done) == (Job.State.FAILED, 0)
    assert ended.words == f"ada no longer has the role {role} in Halden. Nothing was changed."
    assert state_of_all() == before
    assert not JobResult.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_an_action_whose_starter_loses_the_role_in_the_middle_keeps_what_is_done_and_stops(
    fleet: Fleet, ada: User, loss: str
) -> None:
    ended = run_until(an_action(fleet, ada), 4, loss, ada)  # at its beginning, and before each step
    assert (ended.state, ended.done) == (Job.State.FAILED, 4)
    assert ended.words == "ada no longer has the role Operator in Halden. What was done before that stays."
    assert Device.objects.filter(tags__has_key="seen").count() == 4
    assert JobResult.objects.filter(outcome="done").count() == 4


@pytest.mark.parametrize("start", [an_import, a_plan, a_fleets_type])
def test_the_last_word_on_the_role_is_asked_for_when_all_is_changed(
    fleet: Fleet, ada: User, start: Callable[[Fleet, User], Job]
) -> None:
    """After the last look at the job, so that no progress notices."""
    job, before = start(fleet, ada), state_of_all()

    def doing(at: runner.Run) -> str:
        words = KINDS[job.kind](at)
        lose(LOSSES["the role"], ada)
        return words

    runner.run(job.uuid, kinds={job.kind: doing})
    job.refresh_from_db()
    assert (job.state, state_of_all()) == (Job.State.FAILED, before)
    assert "Nothing was changed." in job.words


def test_a_job_that_the_console_started_needs_no_role(fleet: Fleet) -> None:
    seen = fleets.version(fleets.settings_of(fleet))
    job = plan_change.change_fleet(fleet=fleet, actor=None, seen=seen, type=FleetType.PAID)
    assert job
    runner.run(job.uuid, kinds=KINDS)
    job.refresh_from_db()
    assert job.state == Job.State.DONE


def test_a_change_that_waited_while_its_actor_lost_the_role_is_refused(fleet: Fleet, ada: User) -> None:
    """The role is asked for once the organization is held, as roles change with it held."""
    device, seen = Device.objects.earliest("pk"), freezing.plan_version(fleet.organization)
    olga = User.objects.get(username="olga")
    plan: dict[str, Any] = {"plan": Plan.FREE, "allowance": None, "unpaid": True, "seen": seen}
    changes: list[Callable[[], object]] = [
        partial(freezing.change_plan, organization=fleet.organization, actor=ada, **plan),
        partial(fleet_settings.change_fleet, fleet=fleet, actor=ada, name="Renamed"),
        partial(fleets.delete, fleet=fleet, actor=ada),
        partial(lifecycle.deactivate, device=device, actor=ada),
        partial(lifecycle.delete, device=device, actor=ada),
    ]
    refused: list[object] = []

    def attempt(change: Callable[[], object]) -> None:
        with pytest.raises(PermissionDenied):
            change()
        refused.append(change)

    demote = partial(members.change_role, organization=fleet.organization, user=ada, role=Role.OBSERVER)
    with held_open(partial(demote, actor=olga)):
        waiting = [in_background(partial(attempt, change)) for change in changes]
    for thread in waiting:
        thread.join(WAIT)
    assert len(refused) == len(changes)
