"""Who sees the list of devices, and which of them."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.test import Client

from dashboard.models import User
from fleets.models import Fleet, Organization, Role
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import names_in, refresh

pytestmark = pytest.mark.django_db


def test_strangers_get_404_and_see_nothing(reader: Client, fleet: Fleet) -> None:
    foreign = make_device(name="secret")
    make_device(fleet, name="mine")
    assert names_in(reader.get("/devices/?q=secret")) == []
    assert names_in(reader.get(f"/devices/?fleet={foreign.fleet.slug}")) == ["mine"]
    assert reader.get(f"/fleets/{foreign.fleet.slug}/").status_code == 404
    assert reader.get(f"/devices/?org={foreign.organization.slug}").status_code == 404
    assert reader.get("/fleets/nowhere/").status_code == 404


def test_a_superuser_who_is_no_member_sees_nothing(client: Client, fleet: Fleet) -> None:
    make_device(fleet, name="d")
    client.force_login(User.objects.create_superuser("root"))
    assert names_in(client.get("/devices/")) == []
    assert client.get("/fleets/kiosks/").status_code == 404


def test_org_narrows_and_links_keep_it(reader: Client, user: User, fleet: Fleet) -> None:
    other = make_organization(name="Other")
    other.memberships.create(user=user)
    make_device(fleet, name="here")
    make_device(make_fleet(other), name="there")
    assert sorted(names_in(reader.get("/devices/"))) == ["here", "there"]
    page = reader.get(f"/devices/?org={other.slug}")
    assert names_in(page) == ["there"]
    assert f'href="/?org={other.slug}"' in page.content.decode()
    assert reader.get(f"/fleets/kiosks/?org={other.slug}").status_code == 404


def test_the_anonymous_are_led_to_sign_in(client: Client, fleet: Fleet) -> None:
    for path in ("/devices/?q=a", "/fleets/kiosks/"):
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"] == f"/sign-in/?next={quote(path, safe='')}"
        live = refresh(client, path)
        assert live.status_code == 401
        assert live["HX-Redirect"] == response["Location"]
        assert live.content == b""


def test_administrators_find_the_settings_and_the_keys_of_a_fleet(
    client: Client, organization: Organization, fleet: Fleet
) -> None:
    settings, keys = 'href="/fleets/kiosks/settings/"', 'href="/fleets/kiosks/keys/"'
    for role, shown in ((Role.OPERATOR, False), (Role.ADMINISTRATOR, True), (Role.OWNER, True)):
        client.force_login(make_member(organization, role))
        html = client.get("/fleets/kiosks/").content.decode()
        assert (settings in html, keys in html) == (shown, shown)
        assert settings not in client.get("/devices/").content.decode()


def test_writing_methods_are_refused(reader: Client, fleet: Fleet) -> None:
    assert reader.post("/devices/").status_code == 405
    assert reader.delete("/fleets/kiosks/").status_code == 405
