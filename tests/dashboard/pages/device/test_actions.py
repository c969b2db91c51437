"""The Actions menu of the Device Summary: what the viewer may do, and why something cannot be done now."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from devices import clock, connectivity
from devices.models import Device
from devices.operations import lifecycle
from fleets.models import Fleet, Role
from tests.factories import make_device, make_member
from tests.pages import html_of, refresh, text_of

pytestmark = pytest.mark.django_db


def entries(client: Client, device: Device) -> dict[str, tuple[str, str]]:
    """By id of the entry: where it leads, and its words."""
    html = html_of(client.get(f"/devices/{device.uuid}/"))
    found = re.findall(r'<a class="dropdown-item" id="act-(\w+)"\s*([^>]*)>(.*?)</a>', html, re.DOTALL)
    return {name: (attributes, re.sub(r"<[^>]+>", " ", words)) for name, attributes, words in found}


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        (Role.OBSERVER, ["mute"]),
        (Role.OPERATOR, ["deactivate", "move", "key", "mute"]),
        (Role.ADMINISTRATOR, ["deactivate", "move", "key", "mute", "delete"]),
        (Role.OWNER, ["deactivate", "move", "key", "mute", "delete"]),
    ],
)
def test_only_what_the_viewer_may_do_is_there(
    client: Client, fleet: Fleet, role: Role, offered: list[str]
) -> None:
    client.force_login(make_member(fleet.organization, role))
    device = make_device(fleet)
    found = entries(client, device)
    assert list(found) == offered
    addresses = {name: f"/devices/{device.uuid}/{name}/" for name in offered}
    addresses["mute"] = f"/settings/{fleet.organization.slug}/mutes/new/?device={device.uuid}"
    for name, (attributes, _) in found.items():
        assert attributes == f'href="{addresses[name]}"'
        assert client.get(addresses[name]).status_code == 200


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("vpn", "The VPN is connected."),
        ("heartbeat", "The API heartbeat is on time."),
        ("both", "The VPN is connected, and the API heartbeat is up."),
        ("inactive", "Already inactive"),
    ],
)
def test_what_cannot_be_done_now_is_disabled_and_says_why(
    reader: Client, fleet: Fleet, state: str, reason: str
) -> None:
    device = make_device(fleet)
    if state in ("vpn", "both"):
        connectivity.vpn_connected("vpn-1", [device.uuid], clock.now())
    if state in ("heartbeat", "both"):
        connectivity.record_heartbeats([device.pk], clock.now())
    if state == "inactive":
        lifecycle.deactivate(device=device, actor=None)
    attributes, words = entries(reader, device)["deactivate"]
    assert attributes == 'role="link" aria-disabled="true" tabindex="0"'
    assert reason in words


def test_it_follows_the_device_by_itself(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    page = reader.get(f"/devices/{device.uuid}/")
    assert "Out of service until its next contact" in text_of(page)
    connectivity.record_heartbeats([device.pk])
    fresh = refresh(reader, f"/devices/{device.uuid}/", page["HX-PTag"])
    assert "The API heartbeat is on time." in text_of(fresh)
