"""What a test that commits leaves behind is gone before the next, however much it was."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase

from devices.models import Device, StatusChange
from devices.operations import lifecycle
from fleets.models import AuditEntry, Organization, Role
from fleets.services import invitations
from tests import emptying
from tests.factories import make_fleet, make_member, make_uuid
from tests.worker import wait_until

FULL = (Organization, Device, StatusChange, AuditEntry)


def guards() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgenabled = 'O' AND NOT tgisinternal")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("large", [emptying.LARGE, 0])
def test_the_rows_are_gone_and_the_triggers_stay(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emptying, "LARGE", large)
    fleet, before = make_fleet(), guards()
    lifecycle.register(fleet=fleet, uuid=make_uuid())  # a trigger begins its history
    owner = make_member(fleet.organization, Role.OWNER)
    invitations.invite(organization=fleet.organization, role=Role.OBSERVER, actor=owner)
    assert all(model.objects.exists() for model in FULL)
    emptying.empty(TransactionTestCase())
    assert not any(model.objects.exists() for model in FULL)
    assert ContentType.objects.filter(app_label="devices").exists()
    assert Permission.objects.exists()
    assert guards() == before > 0


@pytest.mark.django_db(transaction=True)
def test_a_request_that_locks_in_another_order_is_survived() -> None:
    """As one of a page whose test has ended, which holds a late table and asks for an early one."""
    make_fleet()
    holds = threading.Event()

    def request() -> None:
        try:
            with suppress(OperationalError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LOCK TABLE fleets_organization IN ROW SHARE MODE")
                holds.set()
                wait_until(lambda: waiting(cursor))
                cursor.execute("LOCK TABLE account_emailaddress IN ROW SHARE MODE")
        finally:
            connection.close()

    thread = threading.Thread(target=request)
    thread.start()
    assert holds.wait(60)
    emptying.empty(TransactionTestCase())
    thread.join(60)
    assert not Organization.objects.exists()


def waiting(cursor: CursorWrapper) -> bool:
    """Whether anybody waits for the table that is held here."""
    cursor.execute("SELECT FROM pg_locks WHERE relation = 'fleets_organization'::regclass AND NOT granted")
    return bool(cursor.rowcount)
