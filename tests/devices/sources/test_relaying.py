"""A relay is set on the console: for a host that is free, to an address where an API may be."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from devices.models import Source
from fleets.models import AuditEntry
from tests.factories import T0, make_organization

pytestmark = pytest.mark.django_db
TO = "http://api:80"


@pytest.fixture
def source() -> Source:
    return Source.objects.create(
        organization=make_organization(slug="acme"), name="Ours", address="https://api.example", created_at=T0
    )


def relay(source: Source, **options: str) -> str:
    said = StringIO()
    call_command("relay", "acme", source.name, stdout=said, **options)
    source.refresh_from_db()
    return said.getvalue()


def test_a_relay_begins_and_ends(source: Source) -> None:
    assert relay(source, host="API.example.com", to=TO) == (
        "Calls of API.example.com are relayed. Each process knows it within 5 s.\n"
    )
    assert (source.relay_host, source.relay_to) == ("api.example.com", "http://api")
    relay(source)
    assert (source.relay_host, source.relay_to) == ("", "")
    assert [entry.action for entry in AuditEntry.objects.all()] == ["source-relayed"] * 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": "api.example.com"}, "needs both"),
        ({"to": TO}, "needs both"),
        ({"host": "lookout.example.com", "to": TO}, "is a host of this site"),
        ({"host": "192.0.2.1", "to": TO}, "is not the name of a host"),
        ({"host": "api.example.com:80", "to": TO}, "is not the name of a host"),
        ({"host": "api.example.com", "to": "http://169.254.169.254"}, "where no source may be"),
        ({"host": "api.example.com", "to": "api"}, "begins with https:// or http://"),
        ({"host": "taken.example.com", "to": TO}, "relayed already"),
        ({"host": "api.example.com", "to": "https://API.example.com"}, "leads back to Lookout"),
        ({"host": "api.example.com", "to": "http://taken.example.com:8080"}, "leads back to Lookout"),
        ({"host": "api.example.com", "to": "http://lookout.example.com"}, "leads back to Lookout"),
        ({"host": "api.example.com", "to": "http://site.example.com:8000"}, "leads back to Lookout"),
    ],
)
def test_what_cannot_be_relayed_is_refused(
    source: Source, options: dict[str, str], words: str, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["lookout.example.com"]
    settings.SITE_ADDRESS = "https://site.example.com"
    Source.objects.create(
        organization=make_organization(),
        name="Theirs",
        address="https://api.example",
        created_at=T0,
        relay_host="taken.example.com",
        relay_to=TO,
    )
    with pytest.raises(CommandError, match=words):
        relay(source, **options)
    assert (source.relay_host, source.relay_to) == ("", "")
