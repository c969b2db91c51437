"""How one is called, and in which time zone times are shown."""

from __future__ import annotations

import pytest
from django.test import Client

from dashboard.models import User
from tests.pages import text_of

pytestmark = pytest.mark.django_db


def test_name_and_time_zone_are_saved(signed_in: Client, user: User) -> None:
    form = {"first_name": "Ida", "last_name": "Moe", "time_zone": "Asia/Tokyo"}
    page = signed_in.post("/account/", form, follow=True)
    assert "Your profile is saved." in text_of(page)
    assert "Times in Asia/Tokyo (UTC+9)" in text_of(page)
    user.refresh_from_db()
    assert (user.get_full_name(), user.time_zone) == ("Ida Moe", "Asia/Tokyo")


def test_an_unknown_zone_is_refused(signed_in: Client, user: User) -> None:
    page = signed_in.post("/account/", {"time_zone": "Nowhere/At_All"})
    assert "Nothing was saved" in text_of(page)
    user.refresh_from_db()
    assert user.time_zone == ""


def test_the_account_is_found_from_every_page(signed_in: Client) -> None:
    for path in ("/", "/settings/", "/account/sessions/"):
        assert 'href="/account/"' in signed_in.get(path).content.decode()
