"""Views under a name: whose they are, who may change them, and that nobody's change is lost."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied

from dashboard.models import User
from devices.models import SavedView
from devices.operations import saved_views
from devices.operations.saved_views import (
    NameTaken,
    TooMany,
    change,
    delete,
    save,
    version_of,
)
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import AuditEntry, Organization, Role
from tests.factories import make_member, make_organization
from tests.lists import listed

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def ada(organization: Organization) -> User:
    return make_member(organization, Role.OPERATOR, "ada")


def names(user: User, *organizations: Organization) -> list[str]:
    return [view.name for view in SavedView.objects.visible_to(user, organizations)]


def test_ones_own_views_are_seen_by_nobody_else_and_not_audited(
    organization: Organization, ada: User
) -> None:
    eve = make_member(organization, Role.OWNER)
    view = save(actor=ada, name="Lost", kept=listed("status=offline"))
    change(view=view, actor=ada, seen=version_of(view), name="Gone")
    assert (names(ada, organization), names(eve, organization)) == (["Gone"], [])
    for act in (
        lambda: change(view=view, actor=eve, seen="", name="Hers"),
        lambda: delete(view=view, actor=eve),
    ):
        with pytest.raises(SavedView.DoesNotExist):
            act()
    delete(view=view, actor=ada)
    assert names(ada, organization) == []
    assert not AuditEntry.objects.exists()


def test_shared_views_are_the_organizations_and_audited(organization: Organization, ada: User) -> None:
    eve, stranger = make_member(organization, Role.OBSERVER), make_member(make_organization())
    view = save(actor=ada, name="Lost", kept=listed("status=offline"), organization=organization)
    ada.delete()
    assert names(eve, organization) == ["Lost"]
    assert names(stranger, *stranger.memberships.all().values_list("organization", flat=True)) == []  # type: ignore[arg-type]
    bob = make_member(organization, Role.OPERATOR, "bob")
    change(view=view, actor=bob, seen=version_of(view), name="Gone")
    delete(view=view, actor=bob)
    entries = AuditEntry.objects.order_by("pk").values_list("action", "actor_name", "before", "after")
    assert list(entries) == [
        ("view-saved", "ada", None, {"name": "Lost", "query": "status=offline"}),
        ("view-changed", "bob", {"name": "Lost"}, {"name": "Gone"}),
        ("view-deleted", "bob", {"name": "Gone", "query": "status=offline"}, None),
    ]


def test_only_operators_share(organization: Organization) -> None:
    observer = make_member(organization, Role.OBSERVER)
    with pytest.raises(PermissionDenied):
        save(actor=observer, name="Lost", kept=listed(""), organization=organization)
    view = save(actor=make_member(organization), name="Lost", kept=listed(""), organization=organization)
    with pytest.raises(PermissionDenied):
        change(view=view, actor=observer, seen=version_of(view), name="Mine")
    with pytest.raises(PermissionDenied):
        delete(view=view, actor=observer)
    assert save(actor=observer, name="Lost", kept=listed("")).owner == observer


def test_a_name_is_used_once_by_each_whatever_its_case(organization: Organization, ada: User) -> None:
    save(actor=ada, name="Lost", kept=listed(""))
    save(actor=ada, name="Lost", kept=listed(""), organization=organization)
    save(actor=make_member(organization), name="Lost", kept=listed(""))
    other = save(actor=ada, name="Other", kept=listed(""))
    for within in (None, organization):
        with pytest.raises(NameTaken):
            save(actor=ada, name="lOST", kept=listed(""), organization=within)
    with pytest.raises(NameTaken):
        change(view=other, actor=ada, seen=version_of(other), name="LOST")
    assert SavedView.objects.count() == 4


def test_a_change_made_up_from_an_older_view_is_refused(organization: Organization, ada: User) -> None:
    view = save(actor=ada, name="Lost", kept=listed(""), organization=organization)
    seen = version_of(view)
    change(view=view, actor=ada, seen=seen, name="Theirs")
    with pytest.raises(ChangedMeanwhile) as refused:
        change(view=view, actor=ada, seen=seen, name="Mine")
    assert refused.value.now.name == SavedView.objects.get().name == "Theirs"
    change(view=view, actor=ada, seen=seen, name="Theirs")  # as it is: nothing is lost


def test_there_is_an_end_to_views(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_views, "MOST", 2)
    for name in ("a", "b"):
        save(actor=ada, name=name, kept=listed(""))
    with pytest.raises(TooMany):
        save(actor=ada, name="c", kept=listed(""))
