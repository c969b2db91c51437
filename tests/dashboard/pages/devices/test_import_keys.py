"""The keys of devices from a file: downloaded, again until somebody has them."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from devices import keys
from devices.background import preregistration
from devices.models import ApiKey
from fleets.models import Fleet
from tests.dashboard.pages.devices.imported import make_done, make_list
from tests.factories import T0
from tests.pages import refresh, rows_of, streamed, text_of

pytestmark = pytest.mark.django_db
# what a job's page asks (tests/dashboard/pages/jobs/test_page.py), and its list
QUERIES_JOB = 8


def test_the_keys_are_downloaded(reader: Client, fleet: Fleet, user: User) -> None:
    job, _ = make_done(fleet, user, "kiosk-1", "=1+1")
    assert "The devices have no keys yet." in text_of(reader.get(f"/jobs/{job.uuid}/"))
    answer = reader.post(f"/jobs/{job.uuid}/keys/")
    assert answer["Content-Disposition"].startswith('attachment; filename="keys-kiosks-')
    assert "no-store" in answer["Cache-Control"]
    first, second = rows_of(streamed(answer))
    found = keys.find(first["key"], ApiKey.Kind.DEVICE, T0)
    assert found is not None
    assert found.device is not None
    assert (found.device.uuid, found.device.name) == (first["uuid"], "kiosk-1")
    assert second["name"] == "'=1+1"
    assert ApiKey.objects.count() == 2


def test_the_keys_can_be_downloaded_again_until_somebody_has_them(
    reader: Client, fleet: Fleet, user: User
) -> None:
    job, _ = make_done(fleet, user, "kiosk-1")
    path = f"/jobs/{job.uuid}/"
    assert "Nothing was changed" in text_of(reader.post(f"{path}keys/confirm/", follow=True))
    first = streamed(reader.post(f"{path}keys/"))
    words = text_of(reader.get(path))
    assert f"{user.username} downloaded them at" in words
    assert "I have the keys" in words
    assert streamed(reader.post(f"{path}keys/")) == first
    words = text_of(reader.post(f"{path}keys/confirm/", follow=True))
    assert "They are no longer stored and cannot be downloaded again." in words
    again = reader.post(f"{path}keys/")
    assert again.status_code == 409
    assert "These keys cannot be downloaded again" in text_of(again)
    assert f"{user.username} downloaded them at" in text_of(again)
    assert ApiKey.objects.count() == 1


def test_there_is_nothing_to_download_before_the_devices_are_made(
    reader: Client, fleet: Fleet, user: User
) -> None:
    job = preregistration.confirm(listed=make_list(fleet, user), actor=user)
    assert "Their keys" not in text_of(reader.get(f"/jobs/{job.uuid}/"))
    refused = reader.post(f"/jobs/{job.uuid}/keys/")
    assert (refused.status_code, "There are no devices yet" in text_of(refused)) == (409, True)
    assert not ApiKey.objects.exists()


def test_a_refresh_says_that_the_keys_were_handed_out(
    reader: Client, fleet: Fleet, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job, _ = make_done(fleet, user, "kiosk-1")
    path = f"/jobs/{job.uuid}/"
    with django_assert_num_queries(QUERIES_JOB):
        tag = refresh(reader, path)["HX-PTag"]
    assert refresh(reader, path, tag).status_code == 304
    reader.post(f"{path}keys/")
    answer = refresh(reader, path, tag)
    assert "Download them again" in text_of(answer)
    reader.post(f"{path}keys/confirm/")
    assert "cannot be downloaded again" in text_of(refresh(reader, path, answer["HX-PTag"]))
