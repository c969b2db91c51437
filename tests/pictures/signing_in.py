"""Signing in before a picture is taken: with success, without, or with a second factor."""

from __future__ import annotations

import time

from allauth.mfa.totp.internal import auth

from tests.pictures.reach import Reach, Visit, press


def signed(visit: Visit, password: str) -> None:
    page = visit.page
    page.goto("/sign-in/")
    page.get_by_label("User name or e-mail").fill(visit.user)
    page.get_by_label("Password", exact=True).fill(password)
    press(page, page.get_by_role("button", name="Sign in", exact=True))


def refused(visit: Visit) -> None:
    signed(visit, "not the password")


def confirmed(path: str) -> Reach:
    """Open a page that asks for the password first, and enter it."""

    def reach(visit: Visit) -> None:
        page = visit.page
        page.goto(path)
        if "/account/confirm/" in page.url:
            page.locator("#id_password").fill(visit.password)
            press(page, page.get_by_role("button", name="Confirm"))

    return reach


def with_app(visit: Visit) -> None:
    """Add an authenticator app, so that the recovery codes are shown."""
    confirmed("/account/factors/app/add/")(visit)
    key = visit.page.locator("#key").inner_text()
    code = auth.format_hotp_value(auth.hotp_value(key, int(time.time()) // 30))
    visit.page.locator("#id_code").fill(code)
    press(visit.page, visit.page.get_by_role("button", name="Add the app"))


def second_factor(visit: Visit) -> None:
    signed(visit, visit.password)
