"""Receivers on loopback, which a site may call in these tests."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from pytest_django import Settings

from devices.models import AlertTarget
from tests.devices.alerts.receivers import WebReceiver, web_receiver
from tests.devices.alerts.sending import make_target


@pytest.fixture
def loopback(settings: Settings) -> None:
    settings.TARGETS_PLAIN = True
    settings.TARGETS_PRIVATE = [ip_network("127.0.0.0/8")]
    settings.SITE_ADDRESS = "https://lookout.example"


@pytest.fixture
def web(loopback: None) -> Iterator[WebReceiver]:
    with web_receiver() as receiver:
        yield receiver


@pytest.fixture
def target() -> AlertTarget:
    """A webhook; modules that test another kind have their own."""
    return make_target()
