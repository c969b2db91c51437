"""Actions over many devices: whom they change, whom they skip and why, and that nothing is done twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.models import User
from dashboard.pages.devices.bulk_preview import GONE, preview
from devices import clock, connectivity
from devices.background import bulk_action
from devices.models import Device, Job, JobResult, SelectedDevice, Selection
from devices.operations import bulk_actions, lifecycle
from fleets import audit
from fleets.models import AuditEntry, Fleet, Organization, Role
from tests.devices.operations.selected import do, select, start
from tests.factories import T0, make_device, make_fleet, make_member, make_organization
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
