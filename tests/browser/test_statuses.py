"""All nine statuses: seven lived by virtual devices, Inactive and Frozen made and undone on the pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from dashboard.asgi import pages
from dashboard.live import event_stream
from devices import keys
from devices.ingest.app import Ingest
from devices.ingest.asgi import PATHS
from devices.ingest.native import calls as native
from devices.ingest.supervisor import calls as supervisor
from devices.rules.vocabulary import Status
from devices.simulator.keyfile import Identity
from devices.simulator.scenarios import Step
from fleets.models import Fleet, Role
from fleets.postgres.listener import Listener
from tests.browser.conftest import sign_in
from tests.browser.virtual import Virtual
from tests.devices.ingest.server import serving
from tests.factories import make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)

APPLYING: Final = {"provisioning_state": "Applying settings", "provisioning_progress": 40}
DOWNLOADING: Final = {"update_status": "downloading", "update_progress": 38, "target_release": "1.0.1"}
# How each virtual device begins, and whether it has a VPN. The one to be Offline loses its VPN later.
LIVES: Final = {
    Status.ONLINE: (Step(0), True),
    Status.VPN_ONLY: (Step(0, api=False), True),
    Status.HEARTBEAT_ONLY: (Step(0), False),
    Status.OFFLINE: (Step(0, api=False), True),
    Status.CONFIGURING: (Step(0, report=APPLYING), True),
    Status.UPDATING: (Step(0, report=DOWNLOADING), True),
    Status.POST_PROVISIONING: (Step(0, power=False), False),
}
FROZEN_FOR: Final = {
    "unpaid": "unpaid invoices",
    "fleet type": "a paid fleet type in a free organization",
    "allowance": "outside the organization's allowance",
}


@contextmanager
def whole_site() -> Iterator[str]:
    """Pages and calls behind one server, as on a small site."""
    ingest = Ingest((*native.CALLS, *supervisor.CALLS))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        calls = scope["type"] == "lifespan" or scope["path"].startswith(PATHS)
        await (ingest if calls else pages)(scope, receive, send)

    with serving(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def base_url(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    news = Listener(probe_interval=0.1)  # of its own: it listens no more once the site has ended
    monkeypatch.setattr(event_stream, "LISTENER", news)
    monkeypatch.setattr(event_stream, "EVENT_STREAM", event_stream.EventStream())
    with whole_site() as url:
        yield url
    news.stop()


@pytest.fixture
def fleet() -> Fleet:
    # Polls come every second; what the site expects is so seldom that no heartbeat is lost meanwhile.
    return make_fleet(
        make_organization("Ours", slug="ours", shows_plan=True),
        name="Pumps",
        slug="pumps",
        poll_interval=3600,
    )


@pytest.fixture
def virtual(base_url: str, fleet: Fleet) -> Iterator[Virtual]:
    provisioning, service = keys.new_provisioning_key(fleet), keys.new_service_key(fleet.organization)
    with Virtual(base_url, provisioning, service).living() as virtual:
        yield virtual


def shows(page: Page, expected: dict[str, Status]) -> None:
    """The list of devices does, as soon as it has heard of it."""
    page.goto("/devices/?sort=name")
    for name, status in expected.items():
        row = page.locator("tbody tr").filter(has=page.get_by_role("link", name=name, exact=True))
        expect(row.locator(".badge-st")).to_have_text(status.label, timeout=15_000)


def opened(page: Page, uuid: str) -> None:
    page.goto(f"/devices/{uuid}/")


def deactivated(page: Page, uuid: str) -> None:
    opened(page, uuid)
    page.locator("#menu-actions summary").click()
    page.locator("#act-deactivate").click()
    with page.expect_navigation():
        page.get_by_role("button", name="Deactivate").click()


def preregistered(page: Page, name: str) -> Identity:
    page.goto("/fleets/pumps/preregister/")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Preregister").click()
    key = page.locator("#new-key").inner_text()
    page.get_by_role("link", name=f"Show {name}").click()
    return Identity(page.url.rstrip("/").rpartition("/")[2], key)


def planned(page: Page, *, allowance: str = "", unpaid: bool = False) -> None:
    page.goto("/settings/ours/plan/")
    page.get_by_role("spinbutton", name="Allowance").fill(allowance)
    page.get_by_label("Invoices are unpaid").set_checked(unpaid)
    page.get_by_role("button", name="Show what changes").click()
    page.get_by_role("button", name="Change the plan").click()
    expect(page.get_by_role("status").filter(has_text="is saved")).to_be_visible()


def typed(page: Page, value: str) -> None:
    page.goto("/fleets/pumps/settings/")
    page.locator(f'input[name="type"][value="{value}"]').check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="are saved")).to_be_visible()


def frozen(page: Page, expected: dict[str, Status], names: set[str], reason: str) -> None:
    """These are, and say why; the others are as before."""
    shows(page, expected | dict.fromkeys(names, Status.FROZEN))
    page.get_by_role("link", name=min(names), exact=True).click()
    expect(page.locator("main")).to_contain_text(FROZEN_FOR[reason])


@pytest.mark.thorough
def test_all_nine_are_made_and_undone(
    context: BrowserContext, page: Page, fleet: Fleet, virtual: Virtual
) -> None:
    sign_in(context, make_member(fleet.organization, Role.OWNER))
    names = {f"{status.value}-1": status for status in LIVES}
    for name, status in names.items():
        begins, vpn = LIVES[status]
        virtual.start(name, begins, vpn=vpn)
    shows(page, names | {"offline-1": Status.VPN_ONLY})
    virtual.reach("offline-1", vpn=False)
    shows(page, names)

    deactivated(page, virtual.uuids["offline-1"])
    shows(page, names | {"offline-1": Status.INACTIVE})
    virtual.reach("offline-1", vpn=True)
    shows(page, names | {"offline-1": Status.VPN_ONLY})

    awaited = preregistered(page, "awaited-1")
    shows(page, {"awaited-1": Status.INACTIVE})
    virtual.start("awaited-1", Step(0), vpn=False, identity=awaited)
    now = names | {"offline-1": Status.VPN_ONLY, "awaited-1": Status.HEARTBEAT_ONLY}
    shows(page, now)

    planned(page, allowance="6")  # the two that were activated last are beyond it
    frozen(page, now, {"offline-1", "awaited-1"}, "allowance")
    planned(page)
    shows(page, now)
    planned(page, unpaid=True)
    frozen(page, now, set(now), "unpaid")
    planned(page)
    shows(page, now)
    typed(page, "paid")
    frozen(page, now, set(now), "fleet type")
    typed(page, "standard")
    shows(page, now)
