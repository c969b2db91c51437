"""A passkey in a real browser, with an authenticator that the browser plays."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from playwright.sync_api import BrowserContext, CDPSession, Page, expect

from dashboard.models import User
from fleets.models import AuditEntry
from tests.browser.conftest import sign_in
from tests.factories import make_member, make_organization

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]
PASSWORD = "open sesame 42"


@pytest.fixture
def user() -> User:
    return make_member(make_organization(), username="ida", password=PASSWORD)


@pytest.fixture
def authenticator(context: BrowserContext, page: Page) -> tuple[CDPSession, str]:
    """One that keeps passkeys and knows its holder; the protocol to talk to it, and its name there."""
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return devtools, made["authenticatorId"]


def sign_in_by_password(page: Page) -> None:
    page.goto("/sign-in/?next=/account/passkeys/")
    page.get_by_label("User name or e-mail").fill("ida")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def add(page: Page, *, alone: bool) -> None:
    """Add a passkey, as who is signed in and confirms to be that person."""
    page.goto("/account/passkeys/")
    page.get_by_role("link", name="Add").first.click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("textbox", name="Name").fill("Laptop")
    page.get_by_label("Sign in with it alone").set_checked(alone)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


def sign_out(page: Page) -> None:
    page.locator("summary.avatar-btn").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Lookout")).to_be_visible()


def test_a_passkey_signs_in_alone(page: Page, user: User, authenticator: tuple[CDPSession, str]) -> None:
    sign_in_by_password(page)
    expect(page.get_by_text("No passkey yet")).to_be_visible()
    add(page, alone=True)
    page.goto("/account/passkeys/")
    expect(page.get_by_role("row", name="Laptop")).to_contain_text("alone")
    sign_out(page)
    page.goto("/sign-in/?next=/account/sessions/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    newest = AuditEntry.objects.filter(action="signed-in").first()
    assert newest
    assert newest.after == {"how": "passkey or security key"}


def test_a_key_is_the_second_factor(page: Page, user: User, authenticator: tuple[CDPSession, str]) -> None:
    sign_in(page.context, user)
    add(page, alone=False)
    sign_out(page)
    sign_in_by_password(page)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.goto("/account/passkeys/")
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_role("button", name="Use a passkey or security key").click()
    expect(page.get_by_role("heading", name="Passkeys and security keys")).to_be_visible()


def test_what_the_browser_will_not_do_is_said(
    page: Page, user: User, authenticator: tuple[CDPSession, str]
) -> None:
    devtools, name = authenticator
    sign_in(page.context, user)
    add(page, alone=True)
    sign_out(page)
    devtools.send("WebAuthn.setUserVerified", {"authenticatorId": name, "isUserVerified": False})
    page.goto("/sign-in/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was done")
    expect(page.get_by_role("heading", name="Sign in to Lookout")).to_be_visible()


def test_a_removed_passkey_opens_nothing(
    page: Page, user: User, authenticator: tuple[CDPSession, str]
) -> None:
    sign_in(page.context, user)
    add(page, alone=True)
    Authenticator.objects.filter(type="webauthn").delete()
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("This is wrong")


def test_a_passkey_added_before_the_address_was_proven_does_not_outlive_a_reset_by_mail(
    page: Page, user: User, authenticator: tuple[CDPSession, str], settings: Any
) -> None:
    User.objects.update(email="ida@example.org")
    sign_in(page.context, user)
    add(page, alone=True)
    sign_out(page)
    settings.EMAIL_HOST = "mail.example"
    page.goto("/sign-in/forgotten/")
    page.get_by_label("E-mail address").fill("ida@example.org")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", name="Check your mail")).to_be_visible()
    found = re.search(r"http://\S+", str(mail.outbox[-1].body))
    assert found
    page.goto(found[0])
    page.get_by_label("New password", exact=True).fill("tangled-otter-41")
    page.get_by_label("New password, again").fill("tangled-otter-41")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_text("added before were removed")).to_be_visible()
    page.goto("/sign-in/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("This is wrong, or it was already used.")).to_be_visible()
    page.goto("/account/")
    expect(page.get_by_role("heading", name="Sign in to Lookout")).to_be_visible()
