"""Refreshes that are answered from memory: only where they would find the same, and never past a right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from gzip import decompress as gunzip
from itertools import count
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.http.compression import pack
from dashboard.live import response_cache as shared
from dashboard.live.response_cache import KEPT, Answer, Answers
from devices import connectivity
from devices.models import Device, Heartbeat
from devices.operations import editing
from fleets.models import Fleet, Membership, Organization, Role
from fleets.postgres.listener import CHANNEL, Listener
from fleets.services import organizations
from tests.factories import T0, make_device, make_fleet, make_member, make_organization
from tests.pages import refresh, text_of, uuids_in
from tests.worker import wait_until

NUMBERS = count(1)
FEW = 5  # queries: the session, the person, the organizations, the clock with versions of rows, what moved


@pytest.fixture
def news(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    news = Listener(probe_interval=0.05)
    monkeypatch.setattr(shared, "LISTENER", news)
    monkeypatch.setattr(shared, "ANSWERS", Answers())
    news.start()
    wait_until(lambda: news.listens)
    yield news
    news.stop()


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization, name="kiosks", slug="kiosks")


@pytest.fixture
def device(fleet: Fleet) -> Device:
    device = make_device(fleet, name="left")
    connectivity.record_heartbeats([device.pk])
    return device


def viewer(organization: Organization, role: Role = Role.OPERATOR) -> Client:
    client = Client()
    client.force_login(make_member(organization, role))
    return client


class Page:
    """A page that somebody keeps open."""

    def __init__(self, client: Client, path: str) -> None:
        self.client, self.path = client, path
        page = client.get(path)
        self.tag, self._shown = page["HX-PTag"], uuids_in(page) if "HX-Shown" in page.content.decode() else ""
        self.text = text_of(page)

    def made(self) -> bool:
        """Whether its next refresh is made anew, rather than answered from memory."""
        with CaptureQueriesContext(connection) as queries:
            answer = refresh(self.client, self.path, self.tag, self._shown)
        self.status, self.tag = answer.status_code, answer.headers.get("HX-PTag", self.tag)
        self.text = text_of(answer) or self.text
        return len(queries) > FEW


PAGES = ["/", "/devices/", "/fleets/kiosks/", "/attention/", "{device}"]


def test_a_refresh_that_finds_nothing_new_is_not_made_twice(
    news: Listener, organization: Organization, device: Device
) -> None:
    wait_until_quiet(news, organization)
    for path in PAGES:
        page = Page(viewer(organization), path.format(device=f"/devices/{device.uuid}/"))
        assert page.made(), path
        assert not page.made(), path
        assert page.status == 304, path


def test_what_is_made_anew_looks_once_for_what_moved(
    news: Listener, organization: Organization, device: Device
) -> None:
    for path in PAGES:
        page = Page(viewer(organization), path.format(device=f"/devices/{device.uuid}/"))
        with CaptureQueriesContext(connection) as queries:
            assert page.made(), path
        looked = [query for query in queries if 'vpnserver"."due_at" <=' in query["sql"]]
        assert len(looked) == 1, path


def wait_until_quiet(news: Listener, organization: Organization) -> None:
    """What happened so far is heard of in order, so one more word says that all before it came."""
    before = news.state([organization.pk])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(organization.pk)])
    wait_until(lambda: news.state([organization.pk]) != before)


CHANGES: dict[str, Callable[[Device], Any]] = {
    "a status": lambda device: connectivity.vpn_connected("vpn-1", [device.uuid]),
    "what people do": lambda device: editing.edit(
        device=device, actor=None, field="notes", value=f"{next(NUMBERS)}"
    ),
    "an organization": lambda device: organizations.rename(
        organization=device.organization, name=f"Number {next(NUMBERS)}", actor=None
    ),
    "a fact that is no news": lambda device: Device.objects.filter(pk=device.pk).update(
        os_version=f"{next(NUMBERS)}"
    ),
    "a poll": lambda device: connectivity.record_heartbeats([device.pk]),
    "a deadline that passed unrecorded": lambda device: Heartbeat.objects.update(
        last_poll_at=T0, late_at=T0 + timedelta(1), lost_at=T0 + timedelta(2), due_at=T0 + timedelta(1)
    ),
}


@pytest.mark.thorough
def test_it_is_made_anew_after_any_change(news: Listener, organization: Organization, device: Device) -> None:
    for path in ("/devices/", f"/devices/{device.uuid}/"):
        for change in CHANGES.values():
            connectivity.record_heartbeats([device.pk])
            wait_until_quiet(news, organization)
            page = Page(viewer(organization), path)
            page.made()
            assert not page.made()
            change(device)
            wait_until(page.made)


def test_it_is_compressed_once_for_all_who_take_that(
    news: Listener, organization: Organization, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_until_quiet(news, organization)
    packing = Mock(wraps=pack)
    monkeypatch.setattr(shared, "pack", packing)
    pages = [Page(viewer(organization), "/devices/?sort=name") for _ in range(3)]
    assert refresh(pages[0].client, pages[0].path, "", pages[0]._shown)["HX-PTag"]
    for page, encoding in zip(pages, ("br, gzip", "gzip;q=0", "gzip"), strict=True):
        headers = {"HX-Request": "true", "HX-Shown": page._shown, "Accept-Encoding": encoding}
        answer = page.client.get(page.path, headers=headers)
        assert "Accept-Encoding" in answer["Vary"]
        assert answer.has_header("Content-Encoding") is ("q=0" not in encoding)
        body = gunzip(answer.content) if answer.has_header("Content-Encoding") else answer.content
        assert b"left" in body
        assert int(answer["Content-Length"]) == len(answer.content)
    assert packing.call_count == 1


def test_who_looks_at_the_same_shares_it_whatever_they_showed_before(
    news: Listener, organization: Organization, device: Device
) -> None:
    wait_until_quiet(news, organization)
    one, other = (Page(viewer(organization), "/devices/?sort=name") for _ in range(2))
    connectivity.vpn_connected("vpn-1", [device.uuid])
    wait_until(lambda: one.made() and "Online" in one.text and not one.made())
    assert not other.made()
    assert other.status == 200
    assert (other.text, other.tag) == (one.text, one.tag)
    assert not other.made()
    assert other.status == 304


def test_roles_time_zones_columns_and_organizations_do_not_share(
    news: Listener, organization: Organization, device: Device
) -> None:
    wait_until_quiet(news, organization)
    first = Page(viewer(organization), "/devices/")
    assert first.made()
    assert Page(viewer(organization, Role.OBSERVER), "/devices/").made()
    abroad = viewer(organization)
    abroad.cookies["tz"] = "Asia/Tokyo"
    assert Page(abroad, "/devices/").made()
    chooser = make_member(organization, list_columns=["type"])
    choosing = Client()
    choosing.force_login(chooser)
    assert Page(choosing, "/devices/").made()
    both = make_member(organization)
    Membership.objects.create(organization=make_organization(), user=both)
    wider = Client()
    wider.force_login(both)
    assert Page(wider, "/devices/").made()
    assert not Page(viewer(organization), "/devices/").made()


def test_rights_are_read_each_time(news: Listener, organization: Organization, device: Device) -> None:
    wait_until_quiet(news, organization)
    client = viewer(organization)
    page = Page(client, f"/devices/{device.uuid}/")
    page.made()
    assert not page.made()
    stranger = viewer(make_organization())
    assert refresh(stranger, page.path, page.tag).status_code == 404
    Membership.objects.filter(organization=organization).delete()
    assert refresh(client, page.path, page.tag).status_code == 404
    client.logout()
    assert refresh(client, page.path, page.tag).status_code == 401


def test_what_holds_a_token_of_the_session_is_shared_with_nobody(
    news: Listener, organization: Organization, device: Device
) -> None:
    wait_until_quiet(news, organization)
    path = "/devices/?columns=type"  # offers to keep the columns, by a form
    page = Page(viewer(organization), path)
    assert refresh(page.client, path, "", "").content.count(b"csrfmiddlewaretoken") == 1
    other = Page(viewer(organization), path)
    other.tag = ""
    assert other.made()


@pytest.mark.parametrize(
    ("age", "tag", "body", "held"),
    [
        (timedelta(0), "same", None, True),
        (KEPT - timedelta(microseconds=1), "same", None, True),
        (KEPT, "same", None, False),
        (timedelta(0), "another", None, False),
        (timedelta(0), "another", b"rows", True),
        (KEPT, "another", b"rows", False),
    ],
)
def test_an_answer_holds(age: timedelta, tag: str, body: bytes | None, held: bool) -> None:  # noqa: FBT001
    answer = Answer(("stands",), T0, "same", body)
    assert answer.is_valid(("stands",), T0 + age, tag) is held
    assert not answer.is_valid(("fell",), T0 + age, tag)


def test_nothing_is_kept_while_the_news_is_not_heard(
    news: Listener, organization: Organization, device: Device
) -> None:
    page = Page(viewer(organization), "/devices/")
    page.made()
    news.stop()
    assert page.made()
    assert page.made()


def test_of_many_answers_the_oldest_are_forgotten() -> None:
    answers = Answers()
    for number in range(shared.MOST + 1):
        answers.keep(number, Answer(0, T0, "", None))
    assert answers.find(0) is None
    assert answers.find(1)
