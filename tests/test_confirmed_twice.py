"""What is confirmed once is done once, also where its form is sent twice at the same moment.

The second request waits for the first, which has not committed, and then finds what that one did. The first
account and an invitation are raced for in tests/dashboard/account/test_first_run.py and
tests/dashboard/pages/settings/test_invitations.py, a device's key in
tests/dashboard/pages/device/test_keys.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.models import User
from devices import freezing
from devices.background import plan_change, preregistration
from devices.jobs.runner import run
from devices.models import ApiKey, Device, Job
from devices.operations import bulk_actions
from devices.operations.device_file import Line
from devices.worker.registry import KINDS
from fleets.access.digests import digests
from fleets.models import Fleet, Invitation, Organization, Role
from fleets.services.fleets import settings_of, version
from tests.at_once import WAIT, held_open, in_background
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import rows_of, streamed, text_of

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def organization() -> Organization:
    return make_organization("Halden", slug="halden", shows_plan=True)


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization, slug="kiosks")


@pytest.fixture
def owner(organization: Organization) -> User:
    return make_member(organization, Role.OWNER)


def twice(user: User, path: str, **data: str) -> tuple[Response, Response]:
    """The answers to a form that is sent again before the first request has committed."""
    answers: list[Response] = []
    first, second = Client(), Client()
    first.force_login(user)
    second.force_login(user)
    with held_open(lambda: answers.append(first.post(path, data))):
        waiting = in_background(lambda: answers.append(second.post(path, data)))
    waiting.join(WAIT)
    assert len(answers) == 2
    return answers[0], answers[1]


def test_an_action_over_many_devices_starts_one_job(
    organization: Organization, fleet: Fleet, owner: User
) -> None:
    make_device(fleet)
    selection = bulk_actions.select(organization=organization, devices=Device.objects.all(), listed=None)
    path = reverse("devices:bulk", args=[selection.uuid, "deactivate"])
    first, second = twice(owner, path, preview="1")
    job = Job.objects.get()
    assert first["Location"] == second["Location"] == reverse("devices:job", args=[job.uuid])


def test_a_list_of_devices_is_preregistered_by_one_job(fleet: Fleet, owner: User) -> None:
    listed = preregistration.keep(fleet=fleet, lines=[Line(2)], file_name="kiosks.csv", actor=owner)
    path = reverse("devices:import-preview", args=[fleet.slug, listed.uuid])
    first, second = twice(owner, path)
    job = Job.objects.get()
    assert first["Location"] == second["Location"] == reverse("devices:job", args=[job.uuid])


def test_a_change_of_the_plan_starts_one_job(
    organization: Organization, fleet: Fleet, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_change, "AT_ONCE", 0)
    make_device(fleet)
    path = reverse("fleets:plan-change", args=[organization.slug])
    seen = freezing.plan_version(organization)
    first, second = twice(owner, path, plan="free", allowance="", unpaid="on", seen=seen)
    job = Job.objects.get()
    assert first["Location"] == second["Location"] == reverse("devices:job", args=[job.uuid])


def test_a_change_of_the_type_of_a_fleet_starts_one_job(
    fleet: Fleet, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_change, "AT_ONCE", 0)
    Organization.objects.update(shows_plan=True)
    make_device(fleet)
    path = reverse("fleets:fleet-settings", args=[fleet.slug])
    seen = version(settings_of(fleet))
    first, second = twice(
        owner, path, name="Kiosks", type="paid", every="5", unit="min", vpn_enabled="on", seen=seen
    )
    job = Job.objects.get()
    assert first["Location"] == second["Location"] == reverse("devices:job", args=[job.uuid])


@pytest.mark.parametrize("kind", ["fleets:fleet-keys", "fleets:keys"])
def test_a_form_creates_one_key(organization: Organization, fleet: Fleet, owner: User, kind: str) -> None:
    path = reverse(kind, args=[fleet.slug if kind == "fleets:fleet-keys" else organization.slug])
    first, second = twice(owner, path, name="cards", days="", newest="")
    key = ApiKey.objects.get()
    assert key.fingerprint in text_of(first)
    assert second["Location"] == path


def test_a_form_creates_one_invitation(organization: Organization, owner: User) -> None:
    path = reverse("fleets:member-invite", args=[organization.slug])
    first, second = twice(owner, path, role="observer", days="7", newest="")
    assert Invitation.objects.count() == 1
    assert "/invitations/" in text_of(first)
    assert second["Location"] == reverse("fleets:members", args=[organization.slug])


def test_a_list_gets_one_set_of_keys_and_both_requests_get_it(fleet: Fleet, owner: User) -> None:
    listed = preregistration.keep(fleet=fleet, lines=[Line(2), Line(3)], file_name="kiosks.csv", actor=owner)
    job = preregistration.confirm(listed=listed, actor=owner)
    run(job.uuid, kinds=KINDS)
    first, second = map(streamed, twice(owner, reverse("devices:job-keys", args=[job.uuid])))
    assert first == second
    kept = [digests(row["key"])[0] for row in rows_of(first)]
    assert {bytes(key.digest) for key in ApiKey.objects.all()} == set(kept)
    assert len(kept) == 2


def test_a_form_preregisters_one_device(fleet: Fleet, owner: User) -> None:
    path = reverse("devices:preregister", args=[fleet.slug])
    first, second = twice(owner, path, name="kiosk-1", made="ab" * 16)
    assert (first.status_code, second.status_code) == (201, 409)
    assert Device.objects.get().name == "kiosk-1"
    assert ApiKey.objects.count() == 1


def test_a_form_makes_one_organization_and_both_requests_lead_to_it(
    organization: Organization, owner: User
) -> None:
    first, second = twice(owner, reverse("fleets:organization-new"), name="Moss", newest=organization.slug)
    made = Organization.objects.exclude(pk=organization.pk).get()
    assert first["Location"] == second["Location"] == reverse("fleets:organization", args=[made.slug])
