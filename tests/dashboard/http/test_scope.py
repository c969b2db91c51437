"""What all pages share: sign-in, sign-out, the theme, the account menu, and pages for errors."""

import re

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.views.defaults import bad_request, permission_denied, server_error

from dashboard.http.scope import request_scope
from dashboard.models import User
from dashboard.templating.indicators import HEARTBEAT_STATES, VPN_STATES
from devices.rules.vocabulary import Status
from tests.factories import make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_member(
        make_organization(),
        username="ida",
        password="open sesame 42",
        email="ida@example.org",
        first_name="Ida",
    )


@pytest.mark.parametrize("name", ["ida", "ida@example.org", "IDA@Example.org"])
def test_signing_in_leads_to_where_one_wanted(client: Client, user: User, name: str) -> None:
    form = {"login": name, "password": "open sesame 42", "next": "/devices/?q=a"}
    assert client.post("/sign-in/", form)["Location"] == "/devices/?q=a"
    assert client.get("/").status_code == 200
    assert client.get("/sign-in/")["Location"] == "/"


def test_a_foreign_address_is_not_where_one_wanted(client: Client, user: User) -> None:
    form = {"login": "ida", "password": "open sesame 42", "next": "https://elsewhere.example/"}
    assert client.post("/sign-in/", form)["Location"] == "/"


def test_a_wrong_password_is_said_and_the_name_kept(client: Client, user: User) -> None:
    page = client.post("/sign-in/", {"login": "ida", "password": "guess"})
    assert 'role="alert"' in page.content.decode()
    assert 'value="ida"' in page.content.decode()
    assert client.get("/").status_code == 302


def test_signing_out_takes_a_form(client: Client, user: User) -> None:
    client.force_login(user)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/").status_code == 302


def test_forms_need_their_token(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    refused = client.post("/sign-out/")
    assert refused.status_code == 403
    assert "The form has expired" in text_of(refused)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_is_kept_and_given_up(client: Client, user: User, theme: str) -> None:
    client.force_login(user)
    assert "data-bs-theme" not in client.get("/").content.decode()
    response = client.post("/theme/", {"theme": theme, "next": "/devices/"})
    assert response["Location"] == "/devices/"
    assert f'data-bs-theme="{theme}"' in client.get("/").content.decode()
    client.post("/theme/", {"theme": "system", "next": "/"})
    assert "data-bs-theme" not in client.get("/").content.decode()


def test_a_theme_leads_nowhere_else_and_is_no_markup(client: Client, user: User) -> None:
    client.force_login(user)
    assert client.post("/theme/", {"theme": "dark", "next": "//elsewhere.example"})["Location"] == "/"
    assert client.get("/theme/").status_code == 405
    client.cookies["theme"] = '"><script>'
    assert "data-bs-theme" not in client.get("/").content.decode()


def test_times_are_in_the_viewers_zone(client: Client, user: User) -> None:
    client.force_login(user)
    assert "Times in UTC" in text_of(client.get("/"))
    tag = client.get("/")["HX-PTag"]
    client.cookies["tz"] = "Asia/Tokyo"
    page = client.get("/")
    assert "Times in Asia/Tokyo (UTC+9)" in text_of(page)
    assert page["HX-PTag"] != tag
    User.objects.update(time_zone="America/St_Johns")
    assert "Times in America/St_Johns (UTC-" in text_of(client.get("/"))


def test_the_account_menu_names_the_person(client: Client, user: User) -> None:
    client.force_login(user)
    assert "Account: ida" in text_of(client.get("/"))


def test_the_scope_is_all_mine_or_the_one_named() -> None:
    one, two = make_organization(name="A"), make_organization(name="B")
    make_organization()
    user = make_member(one)
    two.memberships.create(user=user)
    request = RequestFactory().get("/", {"org": two.slug})
    request.user = user
    assert request_scope(request).organizations == [one, two]
    assert request_scope(request).chosen == [two]
    request = RequestFactory().get("/")
    request.user = user
    assert request_scope(request).chosen == [one, two]


def test_pages_are_private(client: Client, user: User) -> None:
    client.force_login(user)
    for path in ("/", "/devices/", "/statuses/"):
        assert "no-store" in client.get(path)["Cache-Control"], path


def test_error_pages_say_what_happened(client: Client) -> None:
    missing = client.get("/nowhere/")
    assert missing.status_code == 404
    assert "This page does not exist" in text_of(missing)
    request = RequestFactory().get("/")
    for view, status, words in (
        (bad_request, 400, "The request could not be read"),
        (permission_denied, 403, "You are not allowed to do this"),
    ):
        response = view(request, Exception())
        assert response.status_code == status
        assert words in text_of(response)
    broken = server_error(request)
    assert broken.status_code == 500
    assert "Something went wrong on the server" in text_of(broken)


def test_no_page_needs_another_host(client: Client, user: User) -> None:
    client.force_login(user)
    make_fleet(user.memberships.get().organization)
    html = client.get("/").content.decode()
    assert "//" not in html.replace("http://testserver", "").replace("http://www.w3.org/2000/svg", "")
    policy = client.get("/")["Content-Security-Policy"]
    assert "unsafe" not in policy


def test_every_icon_that_templates_name_is_in_the_sprite() -> None:
    sprite = (settings.BASE_DIR / "static" / "sprite.svg").read_text()
    templates = (path.read_text() for path in (settings.BASE_DIR / "templates").rglob("*.html"))
    named = {name for text in templates for name in re.findall(r"{% icon '([a-z0-9-]+)' [0-9 %]", text)}
    states = {f"status-{slug}" for slug in Status.values}
    states |= {f"vpn-{state}" for state in VPN_STATES} | {f"heartbeat-{state}" for state in HEARTBEAT_STATES}
    named -= {"status-"}
    assert len(named) > 10
    assert [name for name in sorted(named | states) if f'<symbol id="{name}"' not in sprite] == []
