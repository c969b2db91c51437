"""How organizations come, are renamed and go (fleets/services/organizations.py)."""

from __future__ import annotations

from functools import partial

import pytest
from django.core.exceptions import PermissionDenied

from dashboard.models import User
from devices import keys
from devices.models import ApiKey, FormerKey
from fleets.models import AuditEntry, Fleet, Invitation, Membership, Organization, Role
from fleets.services import invitations, organizations
from tests.at_once import at_once
from tests.factories import T0, make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db
BELOW_OWNER = [Role.OBSERVER, Role.OPERATOR, Role.ADMINISTRATOR]


@pytest.fixture
def person() -> User:
    return User.objects.create_user("ada")


def test_who_makes_an_organization_owns_it(person: User) -> None:
    made = organizations.create(name="Halden Rail", actor=person, at=T0)
    assert (made.name, made.slug, made.plan) == ("Halden Rail", "halden-rail", "free")
    assert Membership.objects.values_list("user", "role").get(organization=made) == (person.pk, "owner")
    entry = AuditEntry.objects.get()
    assert (entry.at, entry.action, entry.actor_name) == (T0, "organization-created", "ada")
    assert (entry.organization_id, entry.subject_id) == (made.pk, "halden-rail")
    assert (entry.before, entry.after) == (None, {"name": "Halden Rail", "owner": "ada"})


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Halden", "halden-3"),  # taken, and the next one too
        ("日本", "organization"),  # nothing that an address can hold
        ("x" * 100, "x" * 90),
        ("--- & ---", "organization"),
    ],
)
def test_an_address_is_unique_on_the_site(person: User, name: str, slug: str) -> None:
    for taken in ("halden", "halden-2"):
        make_organization(slug=taken)
    assert organizations.create(name=name, actor=person).slug == slug


@pytest.mark.django_db(transaction=True)
def test_organizations_of_one_name_made_at_once_get_addresses_of_their_own() -> None:
    people = [User.objects.create_user(f"person-{number}") for number in range(4)]
    made = at_once(*(partial(organizations.create, name="Halden", actor=each) for each in people))
    assert all(isinstance(each, Organization) for each in made), made
    slugs = Organization.objects.values_list("slug", flat=True)
    assert sorted(slugs) == ["halden", "halden-2", "halden-3", "halden-4"]


def test_a_new_name_keeps_the_address() -> None:
    organization = make_organization("Old", slug="old")
    owner = make_member(organization, Role.OWNER)
    organizations.rename(organization=organization, name="New", actor=owner, at=T0)
    assert Organization.objects.values_list("name", "slug").get() == ("New", "old")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.before, entry.after) == (
        "organization-renamed",
        {"name": "Old"},
        {"name": "New"},
    )
    organizations.rename(organization=organization, name="New", actor=owner)
    assert AuditEntry.objects.count() == 1  # nothing changed


@pytest.mark.parametrize("role", BELOW_OWNER)
def test_only_owners_rename_and_delete(role: Role) -> None:
    organization = make_organization("Old")
    for actor in (make_member(organization, role), make_member(make_organization(), Role.OWNER)):
        with pytest.raises(PermissionDenied):
            organizations.rename(organization=organization, name="New", actor=actor)
        with pytest.raises(PermissionDenied):
            organizations.delete(organization=organization, actor=actor)
    assert Organization.objects.get(pk=organization.pk).name == "Old"
    assert not AuditEntry.objects.exists()


def test_an_organization_with_devices_stays() -> None:
    organization = make_organization("Halden")
    owner = make_member(organization, Role.OWNER)
    make_device(make_fleet(organization))
    with pytest.raises(organizations.HasDevices, match=r"Halden has 1 device\.") as refused:
        organizations.delete(organization=organization, actor=owner)
    assert refused.value.devices == 1
    assert Organization.objects.filter(pk=organization.pk).exists()
    assert not AuditEntry.objects.exists()


def test_everything_of_an_organization_goes_with_it_but_its_audit_log_and_accounts() -> None:
    organization, other = make_organization("Halden", slug="halden"), make_organization()
    owner = make_member(organization, Role.OWNER, "ada")
    make_member(organization, Role.OBSERVER, "bob")
    fleet = make_fleet(organization, slug="kiosks")
    kept = make_fleet(other)
    keys.new_provisioning_key(fleet)
    keys.new_service_key(organization)
    invitations.invite(organization=organization, role=Role.OBSERVER, actor=owner)
    FormerKey.objects.create(digest=b"x", organization=organization, device_uuid="1", deleted_at=T0)
    assert organizations.contents(organization) == organizations.Contents(0, 1, 2, 2, 1)
    lines = AuditEntry.objects.count()
    organizations.delete(organization=organization, actor=owner, at=T0)
    assert list(Organization.objects.all()) == [other]
    assert list(Fleet.objects.all()) == [kept]
    assert not any(model.objects.exists() for model in (ApiKey, Invitation, Membership, FormerKey))
    assert User.objects.count() == 2
    assert AuditEntry.objects.count() == lines + 1
    entry = AuditEntry.objects.get(action="organization-deleted")
    assert (entry.organization_id, entry.organization_name) == (organization.pk, "Halden")
    assert entry.before == {"fleets": ["kiosks"], "members": ["ada", "bob"]}
