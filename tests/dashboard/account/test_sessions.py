"""Where one is signed in, and ending that elsewhere."""

from __future__ import annotations

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.account.sessions import browser_of
from dashboard.models import User
from fleets.models import Role
from tests.dashboard.account.conftest import PASSWORD, Lines
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db
PATH = "/account/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.0 Mobile/15E148 Safari/604.1"
)


def at(browser: str, address: str, name: str = "ida") -> Client:
    client = Client(HTTP_USER_AGENT=browser, REMOTE_ADDR=address)
    client.post("/sign-in/", {"login": name, "password": PASSWORD})
    return client


def test_each_is_listed_with_its_browser_and_address(user: User) -> None:
    desk, _ = at(FIREFOX, "192.0.2.1"), at(PHONE, "192.0.2.2")
    words = text_of(desk.get(PATH))
    assert words.index("Firefox on Linux 192.0.2.1") < words.index("Safari on iPhone 192.0.2.2")
    assert "This one" in words


def test_what_was_ended_is_signed_out(user: User, lines: Lines) -> None:
    desk, phone, third = (at(FIREFOX, f"192.0.2.{number}") for number in (1, 2, 3))
    named = UserSession.objects.get(ip="192.0.2.2")
    answer = desk.post(f"{PATH}{named.pk}/end/", follow=True)
    assert "One session was ended." in text_of(answer)
    assert [each.get("/").status_code for each in (desk, phone, third)] == [200, 302, 200]
    assert "One session was ended." in text_of(desk.post(f"{PATH}end/", follow=True))
    assert [each.get("/").status_code for each in (desk, third)] == [200, 302]
    assert lines()[-2:] == [("ida", "sessions-ended", {"sessions": 1})] * 2
    assert "Nothing was ended" in text_of(desk.post(f"{PATH}end/", follow=True))


def test_not_the_one_at_hand_and_nobody_elses(user: User) -> None:
    make_member(make_organization(), Role.OWNER, "eve", password=PASSWORD)
    desk, eve = at(FIREFOX, "192.0.2.1"), at(FIREFOX, "192.0.2.2", "eve")
    for session in UserSession.objects.all():
        desk.post(f"{PATH}{session.pk}/end/")
    assert [each.get("/").status_code for each in (desk, eve)] == [200, 200]
    assert "192.0.2.2" not in text_of(desk.get(PATH))


def test_one_that_was_signed_out_is_not_listed(user: User) -> None:
    desk, phone = at(FIREFOX, "192.0.2.1"), at(PHONE, "192.0.2.2")
    phone.post("/sign-out/")
    assert "iPhone" not in text_of(desk.get(PATH))
    assert UserSession.objects.count() == 1


def test_a_new_account_has_its_session_listed(user: User) -> None:
    """As one that is made by an invitation, or at the first run."""
    desk = at(FIREFOX, "192.0.2.1")
    desk.post(
        "/account/password/",
        {"oldpassword": PASSWORD, "password1": "tangled-otter-41", "password2": "tangled-otter-41"},
    )
    assert text_of(desk.get(PATH)).count("Firefox on Linux 192.0.2.1") == 1


def test_the_list_costs_the_same_however_long(
    user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    desk = at(FIREFOX, "192.0.2.1")
    for more in (0, 29):
        for _ in range(more):
            at(PHONE, "192.0.2.2")
        with django_assert_num_queries(5):
            desk.get(PATH)


def test_a_stranger_is_led_to_the_sign_in_page(client: Client) -> None:
    assert client.get(PATH)["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 10; K) Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "An unknown browser"),
    ],
)
def test_browsers_are_called_by_name(description: str, words: str) -> None:
    assert browser_of(description) == words
