"""The page of a rule names who is mailed of it, and in what case; the list says where nobody is."""

from __future__ import annotations

import pytest
from django.test import Client

from devices.alerts import follows, rules
from devices.listing.kept_list import KeptList, stored
from devices.models import SavedView
from fleets.models import Role
from tests.dashboard.pages.settings.alert_rule_form import shipped
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db


def test_who_follows_a_rule_is_listed(client: Client) -> None:
    organization = make_organization()
    rules.ship(organization)
    rule = shipped(organization, "offline")
    address = f"/settings/{organization.slug}/alert-rules/"
    client.force_login(make_member(organization, Role.OPERATOR))
    assert "Nobody is told by e-mail." in text_of(client.get(address))
    mia, ada, tom = (
        make_member(organization, Role.OBSERVER, name, email=mail, proven_email=mail)
        for name, mail in ((each, f"{each}@halden.example") for each in ("mia", "ada", "tom"))
    )
    follows.follow_severity(actor=mia, organization=organization, severity=rule.severity)
    follows.follow(actor=tom, organization=organization, rule=rule, email=True, daily_at=7)
    view = SavedView.objects.create(name="Mine", kept=stored(KeptList()), owner=ada)
    follows.follow_views(actor=ada, organization=organization, views=[view])
    text = text_of(client.get(f"{address}{rule.uuid}/"))
    assert "As it is saved, this rule sends e-mail to: mia Once a day, it sends e-mail to: tom" in text
    assert "with a device in a saved view that they follow, it sends e-mail to: ada" in text
    assert "Nobody is told by e-mail." not in text_of(client.get(address))
