"""The page of a job, its cancelling, and the recent jobs of an organization."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from devices import jobs
from devices.models import Device, Job, JobResult
from fleets.models import Fleet, Organization, Role
from tests.factories import T0, make_device, make_fleet, make_member
from tests.pages import refresh, text_of

pytestmark = pytest.mark.django_db

# session, person, job, my organizations, counts, results, clock
QUERIES = 7
# session, person, my organizations, jobs, fleets, clock
QUERIES_LIST = 6


def make_job(organization: Organization, **facts: Any) -> Job:
    job = jobs.start(
        kind=Job.Kind.PREREGISTER,
        organization=organization,
        title="Preregister 3 devices",
        actor=None,
        parameters={},
        total=3,
    )
    Job.objects.filter(pk=job.pk).update(**facts)
    job.refresh_from_db()
    return job


def add_result(job: Job, device: Device, outcome: str = "done", why: str = "") -> None:
    JobResult.objects.create(
        job=job,
        organization=job.organization,
        device_id=device.pk,
        device_uuid=device.uuid,
        device_name=device.name,
        outcome=outcome,
        why=why,
    )


ENDED = {"finished_at": T0, "attempt": 1}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "Waiting 0 of 3 It starts as soon as a worker is free."),
        ({"state": "running", "done": 2, "attempt": 1, "started_at": T0}, "2 of 3 Started by the console"),
        ({"state": "running", "attempt": 2}, "Another worker started it again."),
        ({"state": "running", "attempt": 2, "whole": False}, "Another worker continues it."),
        ({"state": "running", "cancel_at": T0, "cancelled_by_name": "ada"}, "ada asked it to stop."),
        ({"state": "done", "done": 3, "words": "3 devices are made.", **ENDED}, "3 of 3 3 devices are made."),
        ({"state": "failed", "words": "Line 2 is bad.", **ENDED}, "Line 2 is bad. Nothing was changed."),
        (
            {"state": "cancelled", "cancelled_by_name": "ada", "whole": False, **ENDED},
            "ada cancelled it. What was already done stays.",
        ),
    ],
)
def test_the_page_says_how_far_it_is_and_what_was_kept(
    reader: Client, organization: Organization, facts: dict[str, Any], said: str
) -> None:
    job = make_job(organization, **facts)
    words = text_of(reader.get(f"/jobs/{job.uuid}/"))
    assert said in words
    assert ("Cancel this job" in words) == (not job.ended and job.cancel_at is None)


def test_results_show_what_went_wrong_first_and_the_rest_on_request(
    reader: Client, organization: Organization, fleet: Fleet
) -> None:
    job = make_job(organization, state="done", whole=False, **ENDED)
    add_result(job, make_device(fleet, name="kiosk-1"))
    add_result(job, make_device(fleet, name="kiosk-2"), "skipped", "the VPN is connected")
    words = text_of(reader.get(f"/jobs/{job.uuid}/"))
    assert "Skipped 1 Done 1" in words
    assert "kiosk-2" in words
    assert "the VPN is connected" in words
    assert "kiosk-1" not in words
    assert "kiosk-1" in text_of(reader.get(f"/jobs/{job.uuid}/?outcome=done"))


def test_results_come_in_pages(reader: Client, organization: Organization, fleet: Fleet) -> None:
    job = make_job(organization, state="done", **ENDED)
    for number in range(101):
        add_result(job, make_device(fleet, name=f"kiosk-{number:03}"))
    first = reader.get(f"/jobs/{job.uuid}/").content.decode()
    last = JobResult.objects.order_by("pk")[99]
    assert f'href="?outcome=done&amp;after={last.pk}"' in first
    assert "kiosk-100" not in first
    second = text_of(reader.get(f"/jobs/{job.uuid}/?outcome=done&after={last.pk}"))
    assert "kiosk-100" in second
    assert "kiosk-099" not in second
    assert reader.get(f"/jobs/{job.uuid}/?after=nonsense").status_code == 200


@pytest.mark.parametrize("rows", [1, 30])
def test_the_page_costs_the_same_for_one_result_and_for_thirty(
    reader: Client,
    organization: Organization,
    fleet: Fleet,
    rows: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    job = make_job(organization)
    for _ in range(rows):
        add_result(job, make_device(fleet))
    with django_assert_num_queries(QUERIES):
        reader.get(f"/jobs/{job.uuid}/")
    with django_assert_num_queries(QUERIES):
        refresh(reader, f"/jobs/{job.uuid}/")


def test_a_refresh_is_unchanged_until_the_job_moves(reader: Client, organization: Organization) -> None:
    job = make_job(organization)
    path = f"/jobs/{job.uuid}/"
    tag = refresh(reader, path)["HX-PTag"]
    assert refresh(reader, path, tag).status_code == 304
    Job.objects.update(state="running", done=1)
    moved = refresh(reader, path, tag)
    assert moved.status_code == 200
    assert "<html" not in moved.content.decode()
    assert "1 of 3" in text_of(moved)


def test_cancelling_asks_the_job_to_stop(reader: Client, organization: Organization, user: User) -> None:
    job = make_job(organization, state="running")
    answer = reader.post(f"/jobs/{job.uuid}/cancel/")
    assert answer["Location"] == f"/jobs/{job.uuid}/"
    job.refresh_from_db()
    assert job.cancelled_by_name == user.username
    assert f"{user.username} asked it to stop." in text_of(reader.get(f"/jobs/{job.uuid}/"))


def test_cancelling_what_has_ended_says_so(reader: Client, organization: Organization) -> None:
    job = make_job(organization, state="done", **ENDED)
    assert "had already ended" in text_of(reader.post(f"/jobs/{job.uuid}/cancel/", follow=True))


def test_only_the_role_that_the_job_names_may_cancel_it(reader: Client, organization: Organization) -> None:
    job = make_job(organization, least_role=Role.OWNER)
    assert "Cancel this job" not in text_of(reader.get(f"/jobs/{job.uuid}/"))
    assert reader.post(f"/jobs/{job.uuid}/cancel/").status_code == 403


def test_strangers_find_nothing_and_observers_may_not(client: Client, organization: Organization) -> None:
    job = make_job(organization)
    client.force_login(make_member(make_fleet().organization, Role.OWNER))
    assert client.get(f"/jobs/{job.uuid}/").status_code == 404
    assert client.post(f"/jobs/{job.uuid}/cancel/").status_code == 404
    assert client.get(f"/settings/{organization.slug}/jobs/").status_code == 404
    client.force_login(make_member(organization, Role.OBSERVER))
    assert client.get(f"/jobs/{job.uuid}/").status_code == 403
    assert client.get(f"/settings/{organization.slug}/jobs/").status_code == 403


@pytest.mark.parametrize("rows", [1, 30])
def test_the_recent_jobs_of_an_organization_are_listed_and_no_others(
    reader: Client,
    organization: Organization,
    rows: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(rows):
        make_job(organization, state="running", done=1)
    Job.objects.filter(pk=make_job(make_fleet().organization).pk).update(title="Not ours")
    with django_assert_num_queries(QUERIES_LIST):
        words = text_of(reader.get(f"/settings/{organization.slug}/jobs/"))
    assert words.count("Preregister 3 devices Running 1 of 3") == rows
    assert "Not ours" not in words


def test_no_jobs_yet(reader: Client, organization: Organization) -> None:
    assert "No jobs yet" in text_of(reader.get(f"/settings/{organization.slug}/jobs/"))
