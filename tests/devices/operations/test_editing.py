"""What people say of a device: set, kept from being lost, and audited (devices/operations/editing.py)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction

from devices.models import Device
from devices.operations.editing import edit, retag
from fleets.meanwhile import ChangedMeanwhile, version
from fleets.models import AuditEntry, Role
from tests.factories import T0, make_device, make_member

pytestmark = pytest.mark.django_db


def held(field: str) -> Any:
    return Device.objects.values_list(field, flat=True).get()


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [
        ("name", "kiosk-1", "kiosk-2"),
        ("notes", "", "Left of the stairs.\nAsk for the key."),
        ("tags", {"site": "a"}, {"site": "b", "spare": ""}),
        ("poll_interval", None, 300),
    ],
)
def test_each_is_set_and_audited_once(field: str, before: Any, after: Any) -> None:
    device = make_device(**{field: before})
    ada = make_member(device.organization, Role.OPERATOR, "ada")
    assert edit(device=device, actor=ada, field=field, value=after, at=T0) is True
    assert held(field) == after
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.subject_id) == ("device-changed", "ada", device.uuid)
    assert (entry.before, entry.after, entry.at) == ({field: before}, {field: after}, T0)
    assert edit(device=device, actor=ada, field=field, value=after, at=T0) is False
    assert AuditEntry.objects.count() == 1


def test_what_was_made_up_from_an_older_value_is_refused_with_what_stands() -> None:
    device = make_device(notes="old")
    seen = version("old")
    edit(device=device, actor=None, field="notes", value="theirs", seen=seen)
    with pytest.raises(ChangedMeanwhile) as refused:
        edit(device=device, actor=None, field="notes", value="mine", seen=seen)
    assert refused.value.now == held("notes") == "theirs"
    assert AuditEntry.objects.count() == 1
    edit(device=device, actor=None, field="notes", value="both", seen=version("theirs"))
    assert held("notes") == "both"


def test_the_same_change_by_two_is_no_conflict() -> None:
    device = make_device(notes="old")
    seen = version("old")
    assert edit(device=device, actor=None, field="notes", value="new", seen=seen) is True
    assert edit(device=device, actor=None, field="notes", value="new", seen=seen) is False


def test_a_version_knows_its_value_whatever_the_order_of_its_tags() -> None:
    assert version({"a": "1", "b": "2"}) == version({"b": "2", "a": "1"})
    values: list[Any] = ["", None, {}, {"a": ""}, {"a": "1"}, "a", 300, "300"]
    assert len({version(value) for value in values}) == len(values)


def test_tags_are_put_and_dropped_and_all_others_kept() -> None:
    device = make_device(tags={"site": "a", "line": "1", "spare": ""})
    put = {"site": "b", "new": ""}
    assert retag(device=device, actor=None, put=put, drop=["line", "unknown"]) is True
    assert held("tags") == {"site": "b", "spare": "", "new": ""}
    assert retag(device=device, actor=None, put=put, drop=["line"]) is False
    assert AuditEntry.objects.count() == 1


def test_a_tag_that_is_put_and_dropped_is_put() -> None:
    device = make_device(tags={"site": "a"})
    retag(device=device, actor=None, put={"site": "b"}, drop=["site"])
    assert held("tags") == {"site": "b"}


def test_only_operators_edit() -> None:
    device = make_device(notes="old")
    observer = make_member(device.organization, Role.OBSERVER)
    with pytest.raises(PermissionDenied):
        edit(device=device, actor=observer, field="notes", value="new")
    with pytest.raises(PermissionDenied):
        retag(device=device, actor=observer, put={"a": "b"})
    assert (held("notes"), held("tags")) == ("old", {})


def test_who_edits_a_deleted_device_is_told() -> None:
    device = make_device()
    Device.objects.all().delete()
    with pytest.raises(Device.DoesNotExist):
        edit(device=device, actor=None, field="notes", value="new")
    with pytest.raises(Device.DoesNotExist):
        retag(device=device, actor=None, put={"a": "b"})


@pytest.mark.django_db(transaction=True)
def test_two_at_once_lose_nothing() -> None:
    """The second waits for the first, and then puts its tag beside the other's."""
    device = make_device()

    def second() -> None:
        retag(device=device, actor=None, put={"second": ""})
        connection.close()

    other = threading.Thread(target=second)
    with transaction.atomic():
        retag(device=device, actor=None, put={"first": ""})
        other.start()
    other.join()
    assert held("tags") == {"first": "", "second": ""}
