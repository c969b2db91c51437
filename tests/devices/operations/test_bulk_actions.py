"""Actions over many devices: whom they change, whom they skip and why, and that nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.models import User
from dashboard.pages.devices.bulk_preview import GONE, preview
from devices import clock, connectivity, jobs
from devices.background import bulk_action
from devices.jobs.runner import Result, Run, run
from devices.models import Device, Job, JobResult, SelectedDevice, Selection
from devices.operations import bulk_actions, lifecycle
from devices.worker.registry import KINDS
from fleets import audit
from fleets.models import AuditEntry, Fleet, Organization, Role
from tests.factories import T0, make_device, make_fleet, make_member, make_organization
from tests.lists import listed
from tests.pages import make_every_status

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


def select(organization: Organization, query: str | None = None) -> Selection:
    """All devices there are, named by this query if any."""
    of = None if query is None else listed(query)
    return bulk_actions.select(organization=organization, devices=Device.objects.all(), listed=of)


def start(selection: Selection, action: str, actor: User, **said: Any) -> Job:
    return bulk_actions.start(selection=selection, action=action, payload=said, title=action, actor=actor)


def do(job: Job) -> Job:
    run(job.uuid, kinds=KINDS)
    return Job.objects.get(pk=job.pk)


def outcomes(job: Job) -> dict[str, tuple[str, str]]:
    rows = JobResult.objects.filter(job=job).values_list("device_name", "outcome", "why")
    return {name: (outcome, why) for name, outcome, why in rows}


# What is selected


def test_a_selection_is_fixed_in_its_organization(organization: Organization, fleet: Fleet) -> None:
    inside = [make_device(fleet) for _ in range(3)]
    make_device()
    selection = select(organization)
    make_device(fleet)
    chosen = SelectedDevice.objects.filter(selection=selection).order_by("device_id")
    assert [(each.device_id, each.device_uuid) for each in chosen] == [
        (each.pk, each.uuid) for each in inside
    ]
    assert selection.total == 3


def test_selections_that_nobody_needs_any_more_are_forgotten(
    organization: Organization, fleet: Fleet
) -> None:
    make_device(fleet)
    old = select(organization)
    Selection.objects.update(created_at=clock.now() - bulk_actions.KEPT - timedelta(seconds=1))
    new = select(organization)
    assert old not in Selection.objects.all()
    assert list(SelectedDevice.objects.values_list("selection", flat=True)) == [new.pk]


def test_selections_go_a_day_after_they_were_made_or_their_action_ended(
    organization: Organization, fleet: Fleet, ada: User
) -> None:
    make_device(fleet)
    unused, waiting, ended = (select(organization) for _ in range(3))
    Selection.objects.update(created_at=T0)
    start(waiting, "tag", ada, put={"a": ""}, drop=[])
    do(start(ended, "tag", ada, put={"b": ""}, drop=[]))
    Job.objects.filter(state="done").update(finished_at=T0 + timedelta(days=2))
    kept = Selection.objects.order_by("pk").all
    bulk_actions.forget(T0 + bulk_actions.NEEDED - timedelta(seconds=1))
    assert list(kept()) == [unused, waiting, ended]
    bulk_actions.forget(T0 + bulk_actions.NEEDED)
    assert list(kept()) == [waiting, ended]
    bulk_actions.forget(T0 + timedelta(days=2) + bulk_actions.NEEDED)
    assert list(kept()) == [waiting]
    bulk_actions.forget(T0 + bulk_actions.KEPT)
    assert not kept().exists()
    assert not SelectedDevice.objects.exists()


# What is done


def test_devices_move_and_those_there_already_are_skipped(
    organization: Organization, fleet: Fleet, ada: User
) -> None:
    to = make_fleet(organization, name="Trams", slug="trams")
    make_device(fleet, name="a")
    make_device(to, name="b")
    job = do(start(select(organization), "move", ada, fleet=to))
    assert outcomes(job) == {"a": ("done", ""), "b": ("skipped", "Already in Trams")}
    assert (job.state, job.done, job.total, job.words) == ("done", 2, 2, "1 changed, 1 skipped.")
    assert set(Device.objects.values_list("fleet", flat=True)) == {to.pk}
    entry = AuditEntry.objects.get(action="device-moved")
    assert (entry.actor_name, entry.subject_name, entry.job) == ("ada", "a", job.uuid)


def test_the_audit_log_has_one_line_for_all_and_knows_from_where(
    organization: Organization, fleet: Fleet, ada: User
) -> None:
    to = make_fleet(organization, slug="trams")
    for name in "abc":
        make_device(fleet, name=name)
    with audit.coming_from("203.0.113.7"):
        job = start(select(organization), "move", ada, fleet=to)
    do(job)
    line = AuditEntry.objects.get(job=None)
    assert (line.action, line.subject_id, line.actor_name) == ("job-started", str(job.uuid), "ada")
    assert (line.address, line.after) == ("203.0.113.7", {"devices": 3})
    Job.objects.all().delete()  # as the clean-up does after a while
    behind = AuditEntry.objects.filter(job=job.uuid)
    assert sorted(behind.values_list("subject_name", "address")) == [(name, "203.0.113.7") for name in "abc"]


def test_tags_are_put_and_dropped(organization: Organization, fleet: Fleet, ada: User) -> None:
    make_device(fleet, name="a", tags={"spare": "", "line": "1"})
    make_device(fleet, name="b", tags={"site": "x"})
    job = do(start(select(organization), "tag", ada, put={"site": "x"}, drop=["spare"]))
    assert outcomes(job) == {"a": ("done", ""), "b": ("skipped", "Already tagged this way")}
    assert Device.objects.get(name="a").tags == {"line": "1", "site": "x"}


@pytest.mark.parametrize(("before", "after"), [(None, 300), (300, None)])
def test_poll_intervals_are_set_and_taken_away(
    organization: Organization, fleet: Fleet, ada: User, before: int | None, after: int | None
) -> None:
    make_device(fleet, name="a", poll_interval=before)
    make_device(fleet, name="b", poll_interval=after)
    job = do(start(select(organization), "poll-interval", ada, poll_interval=after))
    assert outcomes(job) == {"a": ("done", ""), "b": ("skipped", "Already set")}
    assert set(Device.objects.values_list("poll_interval", flat=True)) == {after}


def test_only_devices_without_a_link_are_deactivated(
    organization: Organization, fleet: Fleet, ada: User
) -> None:
    made = make_every_status(fleet)
    job = do(start(select(organization), "deactivate", ada))
    found = outcomes(job)
    assert {name for name, (outcome, _) in found.items() if outcome == "done"} == {
        "a-offline",
        "a-post-provisioning",
        "a-frozen",
    }
    assert found["a-inactive"] == ("skipped", "Already inactive")
    assert found["a-vpn-only"] == ("skipped", "a-vpn-only cannot be deactivated. The VPN is connected.")
    assert not Device.objects.get(pk=made["offline"].pk).is_active


def test_devices_are_deleted(organization: Organization, fleet: Fleet, ada: User) -> None:
    make_device(fleet, name="a")
    outside = make_device()
    job = do(start(select(organization), "delete", ada))
    assert outcomes(job) == {"a": ("done", "")}
    assert list(Device.objects.all()) == [outside]
    assert AuditEntry.objects.get(action="device-deleted").actor_name == "ada"


def test_as_many_thaw_as_places_come_free(organization: Organization, fleet: Fleet, ada: User) -> None:
    """In one batch: those deleted, and those next in line, whose turn comes by the deletions together."""
    Organization.objects.update(allowance=4)
    for number in range(9):
        lifecycle.register(fleet=fleet, name=f"d-{number}")
    inside = Device.objects.filter(name__in=["d-0", "d-2", "d-3", "d-8"])
    do(start(bulk_actions.select(organization=organization, devices=inside, listed=None), "delete", ada))
    assert list(Device.objects.filter(frozen_reason="").values_list("name", flat=True)) == [
        "d-1",
        "d-4",
        "d-5",
        "d-6",
    ]
    assert Device.objects.get(frozen_reason="allowance").name == "d-7"


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("tag", {"put": {"a": ""}, "drop": ["b"]}),
        ("poll-interval", {"poll_interval": 300}),
        ("deactivate", {}),
        ("delete", {}),
        ("move", {}),
    ],
)
def test_a_step_asks_the_database_as_often_for_thirty_devices_as_for_one(
    organization: Organization, fleet: Fleet, ada: User, action: str, said: dict[str, Any]
) -> None:
    if action == "move":
        said = {"fleet": make_fleet(organization)}
    asked = []
    for number in (1, 30):
        Device.objects.all().delete()
        for _ in range(number):
            make_device(fleet)
        job = start(select(organization), action, ada, **said)
        with CaptureQueriesContext(connection) as queries:
            do(job)
        assert JobResult.objects.filter(job=job, outcome="done").count() == number
        asked.append(len(queries))
    assert asked[0] == asked[1]


# What is skipped meanwhile


def test_what_was_deleted_or_does_not_match_any_more_is_skipped(
    organization: Organization, fleet: Fleet, ada: User
) -> None:
    made = make_every_status(fleet)
    selection = select(organization, "status=offline&status=post-provisioning&status=inactive&sort=name")
    job = start(selection, "tag", ada, put={"lost": ""}, drop=[])
    connectivity.record_heartbeats([made["offline"].pk])
    made["inactive"].delete()
    found = outcomes(do(job))
    assert found[""] == ("skipped", bulk_action.LEFT)
    assert found["a-offline"] == found["a-online"] == ("skipped", bulk_action.OTHER)
    assert found["a-post-provisioning"] == ("done", "")
    assert list(Device.objects.filter(tags__has_key="lost")) == [made["post-provisioning"]]


def test_ticked_devices_need_not_match_a_filter(organization: Organization, fleet: Fleet, ada: User) -> None:
    device = make_device(fleet, name="a")
    job = start(select(organization), "tag", ada, put={"seen": ""}, drop=[])
    connectivity.record_heartbeats([device.pk])
    assert outcomes(do(job)) == {"a": ("done", "")}


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


# What is told before


def test_the_preview_tells_what_the_job_then_does(
    organization: Organization, fleet: Fleet, ada: User
) -> None:
    make_every_status(fleet)
    selection = select(organization)
    Device.objects.filter(name="a-configuring").delete()
    found = preview(selection, "deactivate", {}, clock.moment())
    assert found.affected.names == ["a-frozen", "a-offline", "a-post-provisioning"]
    assert [(group.why, group.number) for group in found.skipped] == [
        ("Already inactive", 1),
        (bulk_actions.LINKED, 4),
        (GONE, 1),
    ]
    done = do(start(selection, "deactivate", ada))
    assert done.words == f"{found.affected.number} changed, 6 skipped."


def test_the_preview_names_ten_and_counts_the_rest(organization: Organization, fleet: Fleet) -> None:
    for number in range(13):
        make_device(fleet, name=f"d-{number:02}")
    found = preview(select(organization), "delete", {}, clock.moment())
    assert found.affected.names == [f"d-{number:02}" for number in range(10)]
    assert (found.affected.number, found.affected.more) == (13, 3)
