"""Keys of fleets and of organizations: made, listed, revoked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from devices import clock, keys
from devices.models import ApiKey
from devices.operations import lifecycle
from fleets.models import Fleet, Role
from tests.factories import make_fleet, make_member, make_organization
from tests.pages import html_of, text_of

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db
Kind = ApiKey.Kind

# session, person, organizations, fleets of the side, clock of the page, clock, keys, the newest
QUERIES = {Kind.PROVISIONING: 9, Kind.SERVICE: 8}


@dataclass(frozen=True)
class Page:
    path: str
    kind: ApiKey.Kind
    fleet: Fleet

    def make(self, name: str = "cards") -> ApiKey:
        """A key of this page, made elsewhere."""
        if self.kind == Kind.PROVISIONING:
            keys.new_provisioning_key(self.fleet, name)
        else:
            keys.new_service_key(self.fleet.organization, name)
        return ApiKey.objects.latest("pk")


@pytest.fixture(params=[Kind.PROVISIONING, Kind.SERVICE])
def page(request: pytest.FixtureRequest) -> Page:
    fleet = make_fleet(make_organization(slug="halden", name="Halden"), slug="kiosks", name="Kiosks")
    path = "/fleets/kiosks/keys/" if request.param == Kind.PROVISIONING else "/settings/halden/keys/"
    return Page(path, request.param, fleet)


@pytest.fixture
def admin(client: Client, page: Page) -> Client:
    client.force_login(make_member(page.fleet.organization, Role.ADMINISTRATOR))
    return client


def form_of(response: Response, name: str = "cards", days: str = "") -> dict[str, str]:
    (newest,) = re.findall(r'name="newest" value="(\w*)"', response.content.decode())
    return {"newest": newest, "name": name, "days": days}


def key_in(response: Response) -> str:
    (key,) = re.findall(r'id="new-key">([\w-]{32,})<', response.content.decode())
    return str(key)


def test_a_new_key_is_shown_once_and_works(admin: Client, page: Page) -> None:
    empty = admin.get(page.path)
    assert "keys yet" in text_of(empty)
    answer = admin.post(page.path, form_of(empty))
    key = key_in(answer)
    found = keys.find(key, page.kind, clock.now())
    assert found is not None
    assert (found.name, found.organization, found.expires_at) == ("cards", page.fleet.organization, None)
    assert found.fleet == (page.fleet if page.kind == Kind.PROVISIONING else None)
    assert "no-store" in answer["Cache-Control"]
    after = admin.get(page.path)
    assert key not in after.content.decode()
    assert "cards" in text_of(after)


def test_a_reload_shows_no_key_and_makes_none(admin: Client, page: Page) -> None:
    form = form_of(admin.get(page.path))
    first = admin.post(page.path, form)
    again = admin.post(page.path, form, follow=True)
    assert again.redirect_chain == [(page.path, 302)]
    assert key_in(first) not in again.content.decode()
    assert "No key was created, because another one was created since this form was opened." in text_of(again)
    assert ApiKey.objects.count() == 1
    assert key_in(admin.post(page.path, form_of(first, "second"))) != key_in(first)


def test_no_session_and_no_cookie_keeps_the_key(admin: Client, page: Page) -> None:
    answer = admin.post(page.path, form_of(admin.get(page.path)))
    key = key_in(answer)
    assert key not in str(dict(admin.session))
    assert key not in str(answer.cookies)


def test_the_commands_carry_the_key_or_say_where_it_goes(admin: Client, page: Page) -> None:
    answer = admin.post(page.path, form_of(admin.get(page.path)))
    html = answer.content.decode()
    if page.kind == Kind.PROVISIONING:
        assert (
            f'curl -X POST http://testserver/api/v1/register -H "Authorization: Bearer {key_in(answer)}"'
            in html
        )
    else:
        assert "devices.vpn openvpn --site http://testserver --server vpn-1" in html
        assert html.count(key_in(answer)) == 2  # on the page and in its copy button


def test_a_key_may_expire(admin: Client, page: Page) -> None:
    admin.post(page.path, form_of(admin.get(page.path), days="30"))
    end = ApiKey.objects.get().expires_at
    assert end is not None
    assert abs(end - clock.now() - timedelta(days=30)) < timedelta(minutes=1)


@pytest.mark.parametrize(("name", "days"), [("", ""), ("a" * 101, ""), ("a", "3")])
def test_a_bad_form_makes_nothing(admin: Client, page: Page, name: str, days: str) -> None:
    answer = admin.post(page.path, form_of(admin.get(page.path), name, days))
    assert "Nothing was saved" in text_of(answer)
    assert not ApiKey.objects.exists()


def test_the_list_says_how_keys_were_used(admin: Client, page: Page) -> None:
    at = clock.now()
    told: dict[str, dict[str, Any]] = {
        "used": {"last_used_at": at - timedelta(days=3)},
        "refused": {"last_refused_at": at, "last_refused_reason": "expired", "expires_at": at},
        "over": {"revoked_at": at},
        "long over": {"revoked_at": at - timedelta(days=31)},
    }
    for name, facts in told.items():
        ApiKey.objects.filter(pk=page.make(name).pk).update(**facts)
    html = admin.get(page.path).content.decode()
    rows = dict(re.findall(r'<tr role="row" data-state="(\w+)">(.*?)</tr>', html, re.DOTALL))
    assert list(rows) == ["revoked", "expired", "live"]
    assert "over" in rows["revoked"]
    assert "Revoke…" not in rows["revoked"]
    assert "<b>Expired</b>" in rows["expired"]
    assert "expired</bdi></span>" in rows["expired"]
    assert "used" in rows["live"]
    assert "long over" not in html


def test_a_key_is_revoked_from_the_list(admin: Client, page: Page) -> None:
    key = page.make()
    (address,) = re.findall(r'action="([^"]+/revoke/)"', admin.get(page.path).content.decode())
    assert address == f"{page.path}{keys.fingerprint(key)}/revoke/"
    assert admin.get(address).status_code == 405
    answer = admin.post(address, follow=True)
    assert answer.redirect_chain == [(page.path, 302)]
    assert "The key cards is revoked." in text_of(answer)
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert "was already revoked" in text_of(admin.post(address, follow=True))


def test_only_keys_of_this_page_are_revoked_here(admin: Client, page: Page) -> None:
    other = make_fleet(page.fleet.organization)
    keys.new_provisioning_key(other)
    keys.new_service_key(other.organization if page.kind == Kind.PROVISIONING else None)
    for key in ApiKey.objects.all():
        assert admin.post(f"{page.path}{keys.fingerprint(key)}/revoke/").status_code == 404
    assert admin.post(f"{page.path}{'0' * 12}/revoke/").status_code == 404
    assert ApiKey.objects.filter(revoked_at=None).count() == 2


def test_query_counts_do_not_grow(
    admin: Client, page: Page, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for more in (1, 29):
        for number in range(more):
            page.make(f"key {number}")
        with django_assert_num_queries(QUERIES[page.kind]):
            admin.get(page.path)


@pytest.mark.parametrize("role", [Role.OBSERVER, Role.OPERATOR])
def test_other_members_may_not(client: Client, page: Page, role: Role) -> None:
    key = page.make()
    client.force_login(make_member(page.fleet.organization, role))
    refused(client, page, key, 403)


def test_strangers_see_nothing(client: Client, page: Page) -> None:
    key = page.make()
    assert client.get(page.path).status_code == 302
    client.force_login(make_member(make_organization(), Role.OWNER))
    refused(client, page, key, 404)


def refused(client: Client, page: Page, key: ApiKey, status: int) -> None:
    assert client.get(page.path).status_code == status
    form = {"newest": keys.fingerprint(key), "name": "mine"}
    assert client.post(page.path, form).status_code == status
    assert client.post(f"{page.path}{keys.fingerprint(key)}/revoke/").status_code == status
    assert list(ApiKey.objects.values_list("pk", "revoked_at")) == [(key.pk, None)]


def test_the_page_says_how_many_devices_a_key_registered_and_how_many_it_may(
    client: Client, settings: Settings
) -> None:
    fleet = make_fleet(slug="kiosks")
    client.force_login(make_member(fleet.organization, Role.ADMINISTRATOR))
    key = keys.named(keys.new_provisioning_key(fleet, "cards"))
    assert key
    settings.REGISTRATIONS_PER_HOUR, settings.REGISTRATIONS_PER_KEY = 2, 4000
    for ago in (timedelta(hours=1), timedelta(0)):
        lifecycle.register(fleet=fleet, provisioning_key=key, at=clock.now() - ago)
    page = client.get("/fleets/kiosks/keys/")
    assert "up to 2 per hour and 4 000 in total" in text_of(page)
    assert '<span class="sub">2 registered, 1 in this hour</span>' in html_of(page)
    lifecycle.register(fleet=fleet, provisioning_key=key, at=clock.now())
    page = client.get("/fleets/kiosks/keys/")
    assert '<span class="sub warn">3 registered, 2 in this hour</span>' in html_of(page)
