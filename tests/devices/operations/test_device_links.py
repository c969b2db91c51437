"""Device links of an organization: who keeps them, how many, and that nobody's change is lost."""

from __future__ import annotations

from typing import Any, Final

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from dashboard.models import User
from devices.models import DeviceLink
from devices.operations import device_links
from devices.operations.device_links import NameTaken, TooMany, add, change, delete, version_of
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import AuditEntry, Organization, Role
from tests.factories import make_member, make_organization

pytestmark = pytest.mark.django_db

SSH: Final[dict[str, Any]] = {"name": "Terminal", "template": "ssh root@{ip}"}


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def ada(organization: Organization) -> User:
    return make_member(organization, Role.ADMINISTRATOR, "ada")


def test_what_is_done_is_in_the_audit_log_with_before_and_after(
    organization: Organization, ada: User
) -> None:
    link = add(organization=organization, actor=ada, **SSH)
    changed = change(link=link, seen=version_of(link), name="Terminal", template="ssh://{ip}", actor=ada)
    delete(link=changed, actor=ada)
    entries = AuditEntry.objects.order_by("pk").values_list("action", "actor_name", "before", "after")
    assert list(entries) == [
        ("device-link-added", "ada", None, SSH),
        ("device-link-changed", "ada", {"template": "ssh root@{ip}"}, {"template": "ssh://{ip}"}),
        ("device-link-deleted", "ada", {"name": "Terminal", "template": "ssh://{ip}"}, None),
    ]
    assert not DeviceLink.objects.exists()


@pytest.mark.parametrize("role", [None, Role.OBSERVER, Role.OPERATOR])
def test_only_administrators_keep_them(organization: Organization, ada: User, role: Role | None) -> None:
    other = make_member(organization, role) if role else make_member(make_organization(), Role.OWNER)
    link = add(organization=organization, actor=ada, **SSH)
    with pytest.raises(PermissionDenied):
        add(organization=organization, actor=other, name="Logs", template="ssh {ip}")
    with pytest.raises(PermissionDenied):
        change(link=link, seen=version_of(link), name="Logs", template="ssh {ip}", actor=other)
    with pytest.raises(PermissionDenied):
        delete(link=link, actor=other)
    assert DeviceLink.objects.get() == link


def test_a_template_that_cannot_be_used_is_not_kept(organization: Organization, ada: User) -> None:
    with pytest.raises(ValidationError):
        add(organization=organization, actor=ada, name="Bad", template="javascript:alert(1)")
    link = add(organization=organization, actor=ada, **SSH)
    with pytest.raises(ValidationError):
        change(link=link, seen=version_of(link), name="Bad", template="ssh {nothing}", actor=ada)
    assert DeviceLink.objects.get().template == SSH["template"]


def test_a_name_is_used_once_in_an_organization_whatever_its_case(
    organization: Organization, ada: User
) -> None:
    add(organization=organization, actor=ada, **SSH)
    add(organization=make_organization(), actor=None, **SSH)
    other = add(organization=organization, actor=ada, name="Logs", template="ssh {ip}")
    with pytest.raises(NameTaken):
        add(organization=organization, actor=ada, name="tERMINAL", template="ssh {ip}")
    with pytest.raises(NameTaken):
        change(link=other, seen=version_of(other), name="TERMINAL", template="ssh {ip}", actor=ada)


def test_a_change_made_up_from_an_older_one_is_refused(organization: Organization, ada: User) -> None:
    link = add(organization=organization, actor=ada, **SSH)
    seen = version_of(link)
    theirs: dict[str, Any] = {"name": "Theirs", "template": "ssh://{ip}", "actor": ada}
    change(link=link, seen=seen, **theirs)
    with pytest.raises(ChangedMeanwhile) as refused:
        change(link=link, seen=seen, name="Mine", template="ssh {ip}", actor=ada)
    assert refused.value.now.name == DeviceLink.objects.get().name == "Theirs"
    change(link=link, seen=seen, **theirs)  # as it is: nothing is lost
    delete(link=link, actor=ada)
    with pytest.raises(DeviceLink.DoesNotExist):
        change(link=link, seen=seen, **theirs)


def test_there_are_ten_at_most(organization: Organization, ada: User) -> None:
    for number in range(10):
        add(organization=organization, actor=ada, name=str(number), template="ssh {ip}")
    with pytest.raises(TooMany):
        add(organization=organization, actor=ada, **SSH)
    assert device_links.MOST == 10
