"""Settings, Alert rules: words of a rule's own, and how they read."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client

from devices.alerts import rules
from fleets.models import Role
from tests.dashboard.pages.settings.alert_rule_form import said, shipped
from tests.factories import T0, make_device, make_fleet, make_member, make_organization
from tests.incidents import make_incident, put_in
from tests.pages import text_of

pytestmark = pytest.mark.django_db


def test_words_of_ones_own_are_shown_by_the_newest_incident_and_names_that_mean_nothing_are_refused(
    client: Client,
) -> None:
    organization = make_organization()
    rules.ship(organization)
    client.force_login(make_member(organization, Role.ADMINISTRATOR))
    rule = shipped(organization, "offline")
    own = f"/settings/{organization.slug}/alert-rules/{rule.uuid}/"
    preview = said(preview="1", seen="x", subject="{count} are away", text="Since {since}.\nSee {url}")
    assert "So the newest incident" not in text_of(client.post(own, preview))
    incident = make_incident(organization, T0, severity="warning")
    put_in(incident, [make_device(make_fleet(organization, slug="sheds"))], rule)
    assert "[warning] 12 are away" in text_of(client.post(own, preview))
    refused = client.post(own, said(seen="x", subject="{secret}"))
    assert "{secret} means nothing here." in unescape(text_of(refused))
    seen = client.get(own).context["seen"]
    sent = said(seen=seen, subject="{count} are away", text="See {url}")
    assert client.post(own, sent).status_code == 302
    rule.refresh_from_db()
    assert (rule.subject, rule.text) == ("{count} are away", "See {url}")
    assert "[warning] 12 are away" in text_of(client.get(own))
