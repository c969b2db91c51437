"""Inviting and joining in a browser, on a phone and without JavaScript."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from dashboard.account import first_run
from dashboard.models import User
from fleets.access.roles import role_in
from fleets.models import Membership, Organization, Role
from fleets.services import invitations
from tests.browser.conftest import sign_in
from tests.factories import make_member, make_organization

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]


@pytest.fixture
def organization(context: BrowserContext) -> Organization:
    organization = make_organization("An organization with quite a long name for a phone", slug="halden")
    make_member(organization, username="bob", email="a-rather-long-name-of-a-person@long.example.com")
    sign_in(context, make_member(organization, Role.OWNER, "ada"))
    return organization


def test_one_invites_another_joins(
    page: Page, organization: Organization, browser: Browser, live_server: LiveServer
) -> None:
    page.goto("/settings/halden/members/")
    page.get_by_role("link", name="Invite…").click()
    page.get_by_label("E-mail address").fill("eve@example.com")
    page.get_by_label("Administrator").check()
    page.get_by_role("button", name="Create the link").click()
    link = page.locator("#new-link").inner_text()
    plain = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    plain.set_default_timeout(15_000)
    guest = plain.new_page()
    guest.goto(link)
    assert guest.url == f"{live_server.url}/join/"
    guest.get_by_label("User name").fill("eve")
    guest.get_by_label("Password").fill("tangled-otter-41")
    guest.get_by_role("button", name="Create the account and join").click()
    expect(guest.get_by_text("You are now a member of")).to_be_visible()
    plain.close()
    eve = User.objects.get(username="eve")
    assert (eve.email, role_in(eve, organization)) == ("eve@example.com", Role.ADMINISTRATOR)
    page.goto("/settings/halden/members/")
    page.get_by_role("link", name="Change… eve").click()
    page.locator("summary", has_text="Remove…").click()
    page.get_by_role("button", name="Remove eve").click()
    expect(page.get_by_text("eve is no longer a member of")).to_be_visible()
    assert role_in(eve, organization) is None


def test_a_second_click_sends_a_form_no_second_time(
    organization: Organization, browser: Browser, live_server: LiveServer
) -> None:
    """Its answer would be what is shown: that the server is busy, or that the link was used."""
    owner = User.objects.get(username="ada")
    _, secret = invitations.invite(organization=organization, role=Role.OBSERVER, actor=owner)
    guest = browser.new_context(base_url=live_server.url)
    page = guest.new_page()
    page.goto(f"/invitations/{secret}/")
    page.get_by_label("User name").fill("eve")
    page.get_by_label("E-mail address").fill("eve@example.com")
    page.get_by_label("Password").fill("tangled-otter-41")
    page.evaluate(
        "stopped = []; addEventListener('submit', (event) => { stopped.push(event.defaultPrevented); })"
    )
    button = page.get_by_role("button", name="Create the account and join")
    assert button.evaluate("(it) => { it.click(); it.click(); return stopped; }") == [False, True]
    expect(page.get_by_text("You are now a member of")).to_be_visible(timeout=30_000)
    guest.close()


def test_a_member_named_by_dots_is_changed_and_removed(page: Page, organization: Organization) -> None:
    """A browser takes `..` in an address for the level above, however it is written."""
    dots = make_member(organization, Role.ADMINISTRATOR, "..")
    page.goto("/settings/halden/members/")
    page.get_by_role("link", name="Change… ..").click()
    page.get_by_label("Observer").check()
    page.get_by_role("button", name="Save the role").click()
    expect(page.get_by_text(".. is now Observer")).to_be_visible()
    assert role_in(dots, organization) == Role.OBSERVER
    page.get_by_role("link", name="Change… ..").click()
    page.locator("summary", has_text="Remove…").click()
    page.get_by_role("button", name="Remove ..").click()
    expect(page.get_by_text(".. is no longer a member of")).to_be_visible()
    assert role_in(dots, organization) is None


def test_a_new_site_is_set_up_with_the_code(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_run._Seen, "account", False)
    page.goto("/devices/")
    page.get_by_label("Code").fill(first_run.code())
    page.get_by_label("User name").fill("ada")
    page.get_by_label("E-mail address").fill("ada@example.com")
    page.get_by_label("Password").fill("tangled-otter-41")
    page.get_by_label("Organization").fill("Halden Rail")
    page.get_by_role("button", name="Set up Lookout").click()
    expect(page.get_by_text("Welcome. Halden Rail is yours.")).to_be_visible()
    assert Membership.objects.get().role == Role.OWNER
