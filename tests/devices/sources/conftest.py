"""A source, and the server that it is read from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devices.models import Source
from devices.sources import client, secrets
from tests.devices.sources.api import TOKEN, BalenaApi, serving
from tests.factories import T0, make_organization


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[BalenaApi]:
    monkeypatch.setattr(client, "PAUSE", 0)
    with serving(BalenaApi()) as running:
        yield running


@pytest.fixture
def source(api: BalenaApi, db: None) -> Source:
    made = Source(
        organization=make_organization(), name="balena", address=api.address, created_at=T0, poll_interval=600
    )
    secrets.write(made, TOKEN)
    made.save()
    return made
