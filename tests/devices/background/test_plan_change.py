"""Changes that reach very many devices: a job with progress, and still one transaction."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client

from devices import freezing
from devices.background import plan_change
from devices.freezing import freeze
from devices.jobs.runner import run
from devices.models import Device, Job, StatusChange
from devices.worker.registry import KINDS
from fleets.models import AuditEntry, Fleet, FleetType, Membership, Organization, Plan, Role
from fleets.services.fleets import settings_of, version
from tests.factories import make_devices, make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 21


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no test has to make ten thousand devices."""
    assert plan_change.AT_ONCE == 10_000
    monkeypatch.setattr(plan_change, "AT_ONCE", MANY - 1)
    monkeypatch.setattr(freeze, "BATCH", 8)


@pytest.fixture
def organization() -> Organization:
    return make_organization("Halden", slug="halden", shows_plan=True)


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    fleet = make_fleet(organization, name="kiosks", slug="kiosks")
    make_devices(fleet, MANY)
    return fleet


@pytest.fixture
def owner(client: Client, organization: Organization) -> Client:
    client.force_login(make_member(organization, Role.OWNER, "ada"))
    return client


def frozen() -> int:
    return Device.objects.exclude(frozen_reason="").count()


def unpaid(client: Client, organization: Organization) -> Job:
    """Say on the page that invoices are open."""
    form = {"plan": "free", "allowance": "", "unpaid": "on", "seen": freezing.plan_version(organization)}
    answer = client.post("/settings/halden/plan/change/", form)
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.uuid}/"
    return job


def work(job: Job) -> Job:
    run(job.uuid, kinds=KINDS)
    job.refresh_from_db()
    return job


def test_a_plan_is_changed_by_a_job(owner: Client, organization: Organization, fleet: Fleet) -> None:
    page = text_of(owner.get("/settings/halden/plan/change/?plan=free&unpaid=on"))
    assert "21 devices freeze." in page
    assert "The change runs in the background, either completely or not at all" in page
    job = unpaid(owner, organization)
    assert (job.title, job.total, job.whole) == ("Change the plan: 21 devices", MANY, True)
    assert (frozen(), job.least_role) == (0, Role.OWNER)
    job = work(job)
    assert (job.state, job.done) == (Job.State.DONE, MANY)
    assert job.words == "21 devices froze, thawed or changed the reason."
    assert frozen() == MANY
    assert StatusChange.objects.filter(after="frozen", reason__reason="unpaid").count() == MANY
    assert AuditEntry.objects.get(action="plan-changed").actor_name == "ada"
    organization.refresh_from_db()
    assert organization.unpaid


def test_progress_is_told_and_a_cancelled_one_leaves_nothing(
    owner: Client, organization: Organization, fleet: Fleet
) -> None:
    job, told = unpaid(owner, organization), []

    def tell(done: int, total: int | None) -> None:
        told.append((done, total))
        if done == 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        freezing.change_plan(
            organization=organization, actor=None, plan=Plan.FREE, allowance=None, unpaid=True, tell=tell
        )
    assert told == [(0, MANY), (8, None), (16, None)]
    assert frozen() == 0
    owner.post(f"/jobs/{job.uuid}/cancel/")
    assert work(job).state == Job.State.CANCELLED
    assert frozen() == 0


def test_a_plan_that_was_changed_before_its_turn_stays(
    owner: Client, organization: Organization, fleet: Fleet
) -> None:
    job = unpaid(owner, organization)
    freezing.change_plan(organization=organization, actor=None, plan=Plan.PAID, allowance=None, unpaid=False)
    job = work(job)
    assert (job.state, frozen()) == (Job.State.FAILED, 0)
    assert job.words == "The plan was changed meanwhile, so nothing was changed."


def test_who_lost_the_role_before_its_turn_changes_nothing(
    owner: Client, organization: Organization, fleet: Fleet
) -> None:
    job = unpaid(owner, organization)
    Membership.objects.update(role=Role.OBSERVER)
    job = work(job)
    assert (job.state, frozen()) == (Job.State.FAILED, 0)
    assert job.words == "ada no longer has the role Owner in Halden. Nothing was changed."


def test_the_type_of_a_fleet_is_changed_by_a_job(
    owner: Client, organization: Organization, fleet: Fleet
) -> None:
    seen = version(settings_of(fleet))
    form = {"name": "Vision", "type": "paid", "every": "", "unit": "min", "vpn_enabled": "on", "seen": seen}
    answer = owner.post("/fleets/kiosks/settings/", form)
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.uuid}/"
    assert (job.total, frozen()) == (MANY, 0)
    assert work(job).state == Job.State.DONE
    fleet.refresh_from_db()
    assert (fleet.name, fleet.type, frozen()) == ("Vision", FleetType.PAID, MANY)
    assert AuditEntry.objects.get(action="fleet-changed").actor_name == "ada"


def test_settings_that_were_changed_before_its_turn_stay(
    owner: Client, organization: Organization, fleet: Fleet
) -> None:
    job = plan_change.change_fleet(
        fleet=fleet, actor=None, seen=version(settings_of(fleet)), type=FleetType.PAID
    )
    assert job
    Fleet.objects.update(name="Renamed")
    job = work(job)
    assert (job.state, frozen()) == (Job.State.FAILED, 0)
    assert "were changed meanwhile" in job.words


def test_one_less_is_changed_at_once(owner: Client, organization: Organization, fleet: Fleet) -> None:
    Device.objects.filter(pk=Device.objects.latest("pk").pk).delete()
    form = {"plan": "free", "unpaid": "on", "seen": freezing.plan_version(organization)}
    answer = owner.post("/settings/halden/plan/change/", form)
    assert answer["Location"] == "/settings/halden/plan/"
    assert (frozen(), Job.objects.count()) == (MANY - 1, 0)


@pytest.fixture(autouse=True)
def no_work_left() -> None:
    """The workers' own tables are not ours, so no test empties them."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
