"""The organization's own links on the page of a device."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from dashboard.pages.device.own_links import own_links, values_of
from devices.models import Device
from devices.operations.device_links import add
from devices.rules.link_template import NAMES
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import html_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def device() -> Device:
    return make_device(
        make_fleet(make_organization(), slug="kiosks"),
        name="Pump 1",
        ip_addresses=["10.20.4.17", "fe80::1"],
        tags={"site": "Oslo S", "spare": ""},
    )


def keep(device: Device, name: str, template: str) -> None:
    add(organization=device.organization, name=name, template=template, actor=None)


@pytest.fixture
def reader(client: Client, device: Device) -> Client:
    client.force_login(make_member(device.organization))
    return client


def test_every_name_has_a_value(device: Device) -> None:
    values = values_of(device)
    assert set(NAMES) == {name for name in values if not name.startswith("tag:")}
    assert (values["fleet"], values["ip"], values["tag:site"]) == ("kiosks", "10.20.4.17", "Oslo S")
    assert values["public_ip"] == ""


def test_an_address_opens_apart_from_the_site(reader: Client, device: Device) -> None:
    keep(device, "Graphs", "https://grafana.example/d/x?var-device={uuid}&site={tag:site}")
    keep(device, "Terminal", "ssh://root@{ip}")
    html = html_of(reader.get(f"/devices/{device.uuid}/"))
    graphs = f"https://grafana.example/d/x?var-device={device.uuid}&amp;site=Oslo%20S"
    assert f'<a href="{graphs}" rel="noopener noreferrer" target="_blank"><bdi>{graphs}</bdi></a>' in html
    terminal = "ssh://root@10.20.4.17"
    assert f'<a href="{terminal}" rel="noopener noreferrer"><bdi>{terminal}</bdi></a>' in html


def test_a_command_is_copied(reader: Client, device: Device) -> None:
    keep(device, "Shell", "ssh root@{ip}")
    html = reader.get(f"/devices/{device.uuid}/").content.decode()
    assert 'data-copy="ssh root@10.20.4.17"' in html
    assert 'aria-label="Copy the command Shell"' in html


def test_what_a_device_lacks_or_what_must_not_stand_there_is_said(reader: Client, device: Device) -> None:
    keep(device, "Abroad", "https://{public_ip}/")
    keep(device, "Spare", "https://x.example/{tag:spare}")
    keep(device, "By name", "ssh {name}")
    page = reader.get(f"/devices/{device.uuid}/")
    for said in (
        "Abroad The device has no public IP yet.",
        "Spare The device has no value for the tag “spare”.",
        "By name The command is not shown, because a shell could misread the value of {name}.",
    ):
        assert said in text_of(page)
    assert re.findall(r'href="https?://', page.content.decode()) == []


def test_they_come_by_name_and_only_those_of_the_organization(device: Device) -> None:
    for name in ("logs", "Graphs"):
        keep(device, name, "ssh {ip}")
    keep(make_device(), "Far", "ssh {ip}")
    assert [link.name for link in own_links(device)] == ["Graphs", "logs"]


def test_without_links_the_page_has_no_panel_of_them(reader: Client, device: Device) -> None:
    assert "Device links" not in text_of(reader.get(f"/devices/{device.uuid}/"))
