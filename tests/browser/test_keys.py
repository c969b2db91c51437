"""A key that is made in a real browser is shown once, also when the page is loaded again."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from devices.models import ApiKey
from fleets.models import Role
from tests.browser.conftest import sign_in
from tests.factories import make_fleet, make_member

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_key_is_made_shown_once_and_revoked(context: BrowserContext, page: Page) -> None:
    fleet = make_fleet(slug="kiosks")
    sign_in(context, make_member(fleet.organization, Role.ADMINISTRATOR))
    page.goto("/fleets/kiosks/")
    page.get_by_role("link", name="Create a provisioning key").click()
    page.get_by_label("Name").fill("Spring cards")
    page.get_by_role("button", name="Create a key").click()
    key = page.locator("#new-key").inner_text()
    expect(page.locator(".new-key")).to_contain_text(f"Bearer {key}")
    assert key not in page.url

    page.reload()  # sends the form again
    expect(page.get_by_role("alert")).to_contain_text("No key was created")
    assert key not in page.content()
    assert ApiKey.objects.count() == 1

    page.locator("summary", has_text="Revoke").click()
    page.get_by_role("button", name="Revoke Spring cards").click()
    expect(page.locator(".keys")).to_contain_text("Revoked")
    assert ApiKey.objects.get().revoked_at is not None
