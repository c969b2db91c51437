"""An organization with objects of every kind that an address can name, and people in every role."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.test import Client

from dashboard.models import User
from devices import freezing, jobs, keys
from devices.alerts import rules, targets, windows
from devices.alerts.target_values import Wanted
from devices.alerts.windows import Plan
from devices.background import preregistration
from devices.listing.kept_list import KeptFilters
from devices.models import AlertMessage, AlertRule, AlertTarget, Device, Job, Mute
from devices.operations import bulk_actions, device_links, saved_views
from devices.operations.device_file import Line
from devices.sources import settings as source_settings
from fleets import meanwhile
from fleets.models import Membership, Organization, Role
from fleets.services import invitations
from fleets.services.fleets import settings_of, version
from tests import lists
from tests.access.rules import ADMIN_SIGN_IN, MEMBERS, SIGN_IN, Outcome, Who
from tests.factories import T0, make_device, make_fleet, make_member, make_organization
from tests.incidents import make_incident, page_of, put_in, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test.client import _MonkeyPatchedWSGIResponse as Response

    from tests.access.rules import Page

PASSWORD = "correct horse battery staple"
# What is about sessions and counts tries, and may be written by who only looks or is refused.
SESSIONS = {"django_session", "usersessions_usersession", "dashboard_shared"}


@dataclass(frozen=True)
class World:
    organization: Organization
    people: dict[Who, User]
    facts: dict[str, str]  # by name, for addresses and for what is posted

    cookies: dict[Who, str] = field(default_factory=dict)  # of who is signed in

    def clients(self, page: Page | None = None) -> dict[Who, Client]:
        """A signed-in client for each visitor."""
        return {who: self.client(who, page) for who in Who}

    def client(self, who: Who, page: Page | None = None) -> Client:
        client = Client()
        if who in self.people:
            if who not in self.cookies:
                client.force_login(self.people[who])
                self.cookies[who] = client.cookies["sessionid"].value
            client.cookies["sessionid"] = self.cookies[who]
        if page and page.session:
            session = client.session
            session.update({name: text.format(**self.facts) for name, text in page.session.items()})
            session.save()
            client.cookies["sessionid"] = str(session.session_key)
        return client


def make_world() -> World:
    organization = make_organization("Ours", slug="ours", shows_plan=True)
    people = {who: make_member(organization, role, str(role)) for role, who in MEMBERS.items()}
    people[Who.STRANGER] = make_member(make_organization("Theirs", slug="theirs"), Role.OWNER, "stranger")
    people[Who.SUPERUSER] = User.objects.create_superuser("superuser", "superuser@site.example", PASSWORD)
    for who, user in people.items():
        user.email = user.email or f"{who.name.lower()}@people.example"
        user.set_password(PASSWORD)
        user.save()
    make_device(make_fleet(Organization.objects.get(slug="theirs"), name="Far", slug="far"), name="buoy")
    world = World(organization, people, _facts(organization, people))
    world.clients()  # signed in now: that is written down
    return world


@contextmanager
def a_world() -> Iterator[World]:
    """A world that several tests share; each rolls back what it writes."""
    with undone():
        yield make_world()


def _facts(organization: Organization, people: dict[Who, User]) -> dict[str, str]:
    fleet = make_fleet(organization, name="Kiosks", slug="kiosks")
    seen = version(settings_of(fleet))
    empty = make_fleet(organization, name="Empty", slug="empty")
    device = make_device(fleet, name="kiosk-1")
    view = saved_views.save(
        actor=people[Who.OPERATOR],
        name="Lost",
        kept=lists.listed("status=offline"),
        organization=organization,
    )
    link = device_links.add(
        organization=organization, name="Terminal", template="ssh root@{ip}", actor=people[Who.OWNER]
    )
    source = source_settings.add(
        organization=organization,
        wanted=source_settings.Wanted(name="balena", address="http://127.0.0.1:1", token="token"),
        known={},
        actor=people[Who.OWNER],
    )
    rules.ship(organization)
    rule = AlertRule.objects.get(organization=organization, shipped="offline")
    target, _ = targets.create(
        organization=organization,
        wanted=Wanted(kind=AlertTarget.Kind.ROLE, name="Owners", role=Role.OWNER),
        actor=people[Who.OWNER],
    )
    window = windows.plan(
        organization=organization,
        plan=Plan(
            title="Cabling",
            scope=KeptFilters(),
            starts=datetime(2036, 3, 2),  # noqa: DTZ001  wall time
            ends=datetime(2036, 3, 3),  # noqa: DTZ001
            zone="UTC",
        ),
        actor=people[Who.OPERATOR],
    )
    chosen = Device.objects.filter(pk=device.pk)
    selection = bulk_actions.select(organization=organization, devices=chosen, listed=None)
    incident = make_incident(organization, T0)
    put_in(incident, [device], rule)
    message = tell(incident, target, T0, outcome=AlertMessage.Outcome.DEAD)
    to_page = tell(incident, page_of(organization), T0)
    mute = Mute.objects.create(
        organization=organization,
        incident=incident,
        until=T0 + timedelta(days=36500),
        by_name="operator",
        created_at=T0,
    )
    member = make_member(organization, Role.OBSERVER, "colleague", email="colleague@people.example")
    invitation, secret = invitations.invite(
        organization=organization, role=Role.OBSERVER, actor=people[Who.OWNER]
    )
    provisioning = keys.named(keys.new_provisioning_key(fleet))
    service = keys.named(keys.new_service_key(organization))
    own = keys.named(keys.new_device_key(device))
    job = jobs.start(
        kind=Job.Kind.PREREGISTER, organization=organization, title="Many", actor=None, parameters={}
    )
    listed, made = (
        preregistration.keep(fleet=fleet, lines=[Line(2)], file_name="many.csv", actor=people[Who.OWNER])
        for _ in range(2)
    )
    list_job = preregistration.confirm(listed=made, actor=people[Who.OWNER])
    Job.objects.filter(pk=list_job.pk).update(state=Job.State.DONE, finished_at=T0)
    assert provisioning
    assert service
    assert own
    return {
        "organization": organization.slug,
        "plan": freezing.plan_version(organization),
        "slug": fleet.slug,
        "seen": seen,
        "empty": empty.slug,
        "uuid": device.uuid,
        "device_name": device.name,
        "seen_name": meanwhile.version(device.name),
        "seen_notes": meanwhile.version(""),
        "seen_tags": meanwhile.version({}),
        "seen_interval": meanwhile.version(None),
        "view": str(view.uuid),
        "seen_view": saved_views.version_of(view),
        "device_link": str(link.uuid),
        "source": str(source.uuid),
        "seen_source": source_settings.version_of(source),
        "seen_device_link": device_links.version_of(link),
        "window": str(window.uuid),
        "seen_window": windows.version_of(window),
        "rule": str(rule.uuid),
        "target": str(target.uuid),
        "seen_target": targets.version_of(target),
        "message": str(message.uuid),
        "to_page": str(to_page.uuid),
        "seen_rule": rules.version_of(rule),
        "selection": str(selection.uuid),
        "action": "deactivate",
        "incident": str(incident.uuid),
        "mute": str(mute.uuid),
        "member": str(Membership.objects.get(user=member).pk),
        "invitation": invitation.fingerprint,
        "invitation_digest": bytes(invitation.digest).hex(),
        "secret": secret,
        "provisioning_key": provisioning.fingerprint,
        "service_key": service.fingerprint,
        "device_key": own.fingerprint,
        "job": str(job.uuid),
        "listed": str(listed.uuid),
        "list_job": str(list_job.uuid),
        "password": PASSWORD,
        "key": "set-password",
        "session": "0",
        "pk": "0",
        "provider_id": "none",
        "uidb36": "1",
        # The admin's
        "object_id": str(people[Who.OWNER].pk),
        "id": str(people[Who.OWNER].pk),
        "app_label": "devices",
        "content_type_id": "1",
        "url": "nothing",
    }


def outcome(response: Response) -> Outcome:
    """The outcome of a response in the words of the table."""
    if response.status_code != 302:
        return response.status_code
    path = response["Location"].partition("?")[0]
    return {"/sign-in/": SIGN_IN, "/admin/login/": ADMIN_SIGN_IN}.get(path, 302)


@contextmanager
def undone() -> Iterator[None]:
    """Roll back all that the block writes, so that the next test finds the same world."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def everything() -> dict[str, Any]:
    """A digest of the content of each table, without the tables of sessions."""
    with connection.cursor() as cursor:
        cursor.execute(_digests())
        return dict(cursor.fetchall())


@cache
def _digests() -> str:
    return " UNION ALL ".join(
        f"SELECT '{table}', sum(hashtextextended(t::text, 0)) FROM \"{table}\" t"  # noqa: S608
        for table in sorted(set(connection.introspection.table_names()) - SESSIONS)
    )
