"""Account, Notifications: a person's own quiet hours, and mail of alerts by organization."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from devices.alerts import follows, rules
from devices.alerts.wishes import wishes_of
from devices.models import AlertRule, Follow, QuietHours, SavedView
from fleets.models import Membership, Role
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db

PATH = "/account/notifications/"


def test_quiet_hours_and_mail_are_kept_and_taken_back(client: Client) -> None:
    ours, theirs = make_organization("Ours", slug="ours"), make_organization("Theirs", slug="theirs")
    mia = make_member(ours, Role.OBSERVER)
    Membership.objects.create(organization=theirs, user=mia, role=Role.OBSERVER)
    client.force_login(mia)
    assert client.get(PATH).context["form"]["email"].value() == ["ours", "theirs"]
    sent = {"email": ["theirs"], "hours-zone": "Europe/Oslo", "hours-day0": "22:00-24:00"}
    assert "Your notifications are saved." in text_of(client.post(PATH, sent, follow=True))
    quiet = QuietHours.objects.get(person=mia)
    assert (quiet.zone, quiet.weekly, quiet.critical_passes) == ("Europe/Oslo", [[0, 1320, 1440]], False)
    assert wishes_of(mia.pk, ours.pk).nothing
    assert not wishes_of(mia.pk, theirs.pk).nothing
    page = client.get(PATH)
    assert page.context["hours"]["day0"].value() == "22:00-24:00"
    assert page.context["form"]["email"].value() == ["theirs"]
    client.post(PATH, {"email": ["ours", "theirs"], "hours-zone": "Europe/Oslo"})
    assert not QuietHours.objects.exists()
    assert not wishes_of(mia.pk, ours.pk).nothing


def test_what_is_refused_changes_nothing(client: Client) -> None:
    ours = make_organization("Ours", slug="ours")
    client.force_login(make_member(ours, Role.OBSERVER))
    assert "Write each as 08:00-18:00" in text_of(
        client.post(PATH, {"hours-zone": "UTC", "hours-day0": "night"})
    )
    make_organization("Far", slug="far")
    page = client.post(PATH, {"email": ["far"], "hours-zone": "UTC", "hours-day0": "22:00-24:00"})
    assert "far is not one of the available choices." in text_of(page)
    assert not QuietHours.objects.exists()


def test_rules_and_a_severity_are_followed(client: Client) -> None:
    ours = make_organization("Ours", slug="ours")
    rules.ship(ours)
    mia = make_member(ours, Role.OBSERVER)
    client.force_login(mia)
    path = f"{PATH}ours/"
    assert path in client.get(PATH).content.decode()
    offline, flapping = (AlertRule.objects.get(shipped=name) for name in ("offline", "flapping"))
    sent = {"severity": "critical", str(offline.uuid): "always", str(flapping.uuid): "never"}
    assert client.post(path, sent)["Location"] == PATH
    wishes = wishes_of(mia.pk, ours.pk)
    assert (wishes.severity, wishes.rules) == ("critical", {offline.pk: True, flapping.pk: False})
    form = client.get(path).context["form"]
    assert form["severity"].value() == "critical"
    assert [field.value() for field in form.of_rules if field.value()] == ["never", "always"]
    client.post(path, {"severity": ""})
    assert not Follow.objects.exists()
    make_organization("Far", slug="far")
    assert client.get(f"{PATH}far/").status_code == 404


def test_what_is_followed_is_mailed_once_a_day_at_an_hour(client: Client) -> None:
    ours = make_organization("Ours", slug="ours")
    rules.ship(ours)
    mia = make_member(ours, Role.OBSERVER, time_zone="Europe/Oslo")
    client.force_login(mia)
    path = f"{PATH}ours/"
    page = client.get(path)
    assert (page.context["form"]["hour"].value(), "Europe/Oslo" in text_of(page)) == (8, True)
    offline = AlertRule.objects.get(shipped="offline")
    view = SavedView.objects.create(name="Own", kept={}, owner=mia)
    sent = {"severity": "critical", "severity_when": "daily", str(offline.uuid): "daily", "hour": "18"}
    client.post(path, sent | {"views": [str(view.uuid)], "views_when": "daily"})
    wishes = wishes_of(mia.pk, ours.pk)
    assert (wishes.severity_daily, wishes.daily, wishes.views_daily) == (18, {offline.pk: 18}, {view.pk: 18})
    form = client.get(path).context["form"]
    assert [form[name].value() for name in ("severity_when", "views_when", "hour")] == ["daily", "daily", 18]
    assert form[str(offline.uuid)].value() == "daily"
    client.post(path, sent | {"severity_when": "none", "hour": "7"})
    wishes = wishes_of(mia.pk, ours.pk)
    assert (wishes.severity, wishes.severity_daily, wishes.daily) == ("critical", None, {offline.pk: 7})
    assert client.post(path, sent | {"hour": "24"}).status_code == 200
    assert wishes_of(mia.pk, ours.pk).hour == 7


def test_views_are_followed_that_the_person_sees(client: Client) -> None:
    ours, far = make_organization("Ours", slug="ours"), make_organization("Far", slug="far")
    rules.ship(ours)
    mia, tom = make_member(ours, Role.OBSERVER), make_member(ours, Role.OPERATOR)
    own, shared, toms, fars = (
        SavedView.objects.create(name=name, kept={}, **of)
        for name, of in (
            ("Own", {"owner": mia}),
            ("Shared", {"organization": ours}),
            ("Tom", {"owner": tom}),
            ("Far", {"organization": far}),
        )
    )
    client.force_login(mia)
    path = f"{PATH}ours/"
    client.post(path, {"views": [str(own.uuid), str(shared.uuid)]})
    assert wishes_of(mia.pk, ours.pk).views == {own.pk, shared.pk}
    assert client.get(path).context["form"]["views"].value() == [str(own.uuid), str(shared.uuid)]
    for other in (toms, fars):
        assert client.post(path, {"views": [str(other.uuid)]}).status_code == 200
        with pytest.raises(PermissionDenied):
            follows.follow_views(actor=mia, organization=ours, views=[other])
    client.post(path, {"views": [str(shared.uuid)], "severity": "critical"})
    assert wishes_of(mia.pk, ours.pk).views == {shared.pk}
    shared.delete()
    assert wishes_of(mia.pk, ours.pk).views == set()
    assert wishes_of(mia.pk, ours.pk).severity == "critical"
