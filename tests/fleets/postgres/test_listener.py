"""What a process hears of the organizations: of those that something happened in, and never too little."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo

from devices import connectivity
from devices.models import Device
from devices.operations import editing
from devices.rules.vocabulary import Status
from fleets.postgres.listener import CHANNEL, Listener
from tests.factories import make_device
from tests.worker import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

Told = list[int | None]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def news(told: Told) -> Iterator[Listener]:
    news = Listener(probe_interval=0.05)
    news.subscribe(told.append)
    news.start()
    wait_until(lambda: news.listens)
    yield news
    news.stop()
    assert not news.listens


def test_a_status_and_what_people_do_are_news_of_that_organization_once_they_commit(
    news: Listener, told: Told
) -> None:
    device = make_device()
    organization = device.organization_id
    wait_until(lambda: told == [None, organization])
    with transaction.atomic():
        connectivity.record_heartbeats([device.pk])
        make_device()  # of another one
        assert told == [None, organization]
    wait_until(lambda: len(told) == 4 and set(told[2:]) > {organization})
    connectivity.record_heartbeats([device.pk])  # changes no status, so it is no news
    editing.edit(device=device, actor=None, field="notes", value="Left of the stairs.")
    wait_until(lambda: told[4:] == [organization])


def test_a_link_is_news_where_it_changes_no_status(news: Listener, told: Told) -> None:
    device = make_device(update_progress=38, update_status="downloading", target_release="2.0")
    connectivity.record_heartbeats([device.pk])
    wait_until(lambda: len(told) == 3)
    assert Device.objects.get().recorded_status == Status.UPDATING
    connectivity.vpn_connected("vpn-1", [device.uuid])
    wait_until(lambda: told[3:] == [device.organization_id])
    assert Device.objects.get().recorded_status == Status.UPDATING


def test_whatever_fails_it_says_so_and_listens_again(news: Listener, told: Told) -> None:
    name = connection.settings_dict["NAME"]
    with psycopg.connect(make_conninfo(settings.DATABASE_URL, dbname=name), autocommit=True) as same_role:
        ended = same_role.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'listener'"
        )
        assert ended.fetchone() == (1,)
        wait_until(lambda: told == [None] * 3 and news.listens)
        same_role.execute("SELECT pg_notify(%s, 'no number')", [CHANNEL])
    wait_until(lambda: told == [None] * 5 and news.listens)


def test_who_cannot_hear_keeps_nobody_else_from_it(news: Listener, told: Told) -> None:
    def fails(organization: int | None) -> None:
        raise RuntimeError(organization)

    news._callbacks.insert(0, fails)
    device = make_device()
    wait_until(lambda: told == [None, device.organization_id])
