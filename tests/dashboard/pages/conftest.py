"""The people and fleets of the tests of pages."""

from __future__ import annotations

import pytest
from django.test import Client

from dashboard.models import User
from fleets.models import Fleet, Organization
from tests.factories import make_fleet, make_member, make_organization


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def user(organization: Organization) -> User:
    return make_member(organization)


@pytest.fixture
def reader(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization, name="kiosks", slug="kiosks")
