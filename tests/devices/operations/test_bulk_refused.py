"""Bulk actions that may not be done, or not any more: by whom, on what, and when they are cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection

from dashboard.models import User
from devices import jobs
from devices.background import bulk_action
from devices.jobs.runner import Result, Run, run
from devices.models import Device, Job, JobResult, Selection
from devices.worker.registry import KINDS
from fleets.models import AuditEntry, Fleet, Organization, Role
from tests.devices.operations.selected import do, select, start
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_work_left() -> None:
    """The workers' own tables are not ours, so no test empties them."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


@pytest.fixture
def organization() -> Organization:
    return make_organization(name="Halden")


@pytest.fixture
def ada(organization: Organization) -> User:
    return make_member(organization, Role.ADMINISTRATOR, "ada")


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization, name="Kiosks", slug="kiosks")


# Whom it is refused


@pytest.mark.parametrize(
    ("role", "action"), [(Role.OBSERVER, "tag"), (Role.OPERATOR, "delete"), (Role.OBSERVER, "deactivate")]
)
def test_who_may_not_do_it_to_one_may_not_do_it_to_many(
    organization: Organization, fleet: Fleet, role: Role, action: str
) -> None:
    make_device(fleet)
    with pytest.raises(PermissionDenied):
        start(select(organization), action, make_member(organization, role), put={"a": ""}, drop=[])
    assert not Job.objects.exists()


def lose_the_role(job: Job, ada: User) -> None:
    ada.memberships.update(role=Role.OBSERVER)


def delete_the_account(job: Job, ada: User) -> None:
    ada.delete()


def forget_the_selection(job: Job, ada: User) -> None:
    Selection.objects.all().delete()


@pytest.mark.parametrize(
    ("meanwhile", "words"),
    [
        (lose_the_role, "ada no longer has the role Operator in Halden. What was done before that stays."),
        (delete_the_account, "The account of ada no longer exists. What was done before that stays."),
        (forget_the_selection, "The selection is no longer kept."),
    ],
)
def test_a_job_that_may_not_be_done_any_more_changes_nothing_and_says_why(
    organization: Organization, fleet: Fleet, ada: User, meanwhile: Callable[[Job, User], None], words: str
) -> None:
    make_device(fleet)
    job = start(select(organization), "tag", ada, put={"a": ""}, drop=[])
    meanwhile(job, ada)
    ended = do(job)
    assert (ended.state, ended.words, ended.done) == ("failed", words, 0)
    assert Device.objects.get().tags == {}


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"v": 0, "address": "status=nonsense"}, "Something in “status=nonsense” is no longer known."),
        ({"v": 2}, "This version of the site cannot read it: Invalid value 2 - at `$.v`."),
        (
            {"v": 1, "battery": "low"},
            "This version of the site cannot read it: Object contains unknown field",
        ),
    ],
)
def test_a_filter_that_cannot_be_read_ends_the_job_and_never_means_all_devices(
    organization: Organization, fleet: Fleet, ada: User, kept: dict[str, Any], words: str
) -> None:
    make_device(fleet)
    job = start(select(organization, "status=offline"), "tag", ada, put={"a": ""}, drop=[])
    Selection.objects.update(kept=kept)
    ended = do(job)
    assert (ended.state, ended.done) == ("failed", 0)
    assert f"The filter can no longer be read. {words}" in ended.words
    assert Device.objects.get().tags == {}


def test_a_fleet_that_is_gone_ends_the_job(organization: Organization, fleet: Fleet, ada: User) -> None:
    make_device(fleet)
    to = make_fleet(organization)
    moving = start(select(organization), "move", ada, fleet=to)
    named = start(select(organization, f"fleet={to.slug}"), "tag", ada, put={"a": ""}, drop=[])
    to.delete()
    assert do(moving).words == "The fleet that the devices should move to was deleted."
    assert "The filter no longer means the same." in do(named).words
    assert Device.objects.values("fleet", "tags").get() == {"fleet": fleet.pk, "tags": {}}


# Once, whatever happens


def test_a_selection_is_for_one_job(organization: Organization, fleet: Fleet, ada: User) -> None:
    make_device(fleet)
    selection = select(organization)
    assert start(selection, "deactivate", ada) == start(selection, "delete", ada)
    assert Job.objects.get().parameters["action"] == "deactivate"


def test_the_next_worker_goes_on_behind_the_last_result(
    organization: Organization, fleet: Fleet, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_action, "STEP", 2)
    for number in range(7):
        make_device(fleet, name=f"d-{number}")
    job = start(select(organization), "tag", ada, put={"a": ""}, drop=[])
    looks = iter([False, False, False, True])  # of the job's beginning, and before each step
    run(job.uuid, kinds=KINDS, stopping=lambda: next(looks))
    job.refresh_from_db()
    assert (job.state, job.done) == ("waiting", 4)
    assert Device.objects.filter(tags__has_key="a").count() == 4
    ended = do(job)
    assert (ended.state, ended.done, ended.words) == ("done", 7, "7 changed.")
    assert AuditEntry.objects.filter(action="device-changed").count() == 7


def test_cancelling_keeps_what_is_done_and_leaves_the_rest(
    organization: Organization, fleet: Fleet, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_action, "STEP", 2)
    for number in range(5):
        make_device(fleet, name=f"d-{number}")
    job = start(select(organization), "deactivate", ada)

    def doing(at: Run) -> str:
        results = bulk_action._Work.results

        def then_cancelled(self: Any, chosen: Any) -> list[Result]:
            jobs.cancel(job=at.job, actor=ada)
            return results(self, chosen)

        monkeypatch.setattr(bulk_action._Work, "results", then_cancelled)
        return bulk_action.do(at)

    run(job.uuid, kinds={Job.Kind.BULK: doing})
    job.refresh_from_db()
    assert (job.state, job.done) == ("cancelled", 2)
    assert Device.objects.filter(is_active=False).count() == JobResult.objects.count() == 2
