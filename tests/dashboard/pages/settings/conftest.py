"""What the tests of the settings share."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dashboard.models import User
from fleets.models import Organization
from tests.dashboard.pages.settings.audit_log import write
from tests.factories import T0


@pytest.fixture
def varied(organization: Organization, ada: User) -> None:
    """Lines of an audit log about several subjects, a day apart."""
    write(organization, at=T0, actor=ada, subject=("device", "a" * 32, "one"))
    write(organization, at=T0 + timedelta(days=1), subject=("device", "b" * 32, "two"))
    write(organization, at=T0 + timedelta(days=2), by="device two", subject=("device", "b" * 32, "two"))
    write(
        organization,
        at=T0 + timedelta(days=3),
        actor=ada,
        action="fleet-changed",
        subject=("fleet", "kiosks", "Kiosks"),
        before={"device_type": "NUC"},
        after={"device_type": "raspberry-pi"},
    )
