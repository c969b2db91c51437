"""Addresses stand in one store: the tables of libraries that the site does not use are and stay empty."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse

from dashboard.models import User
from fleets.models import Role
from fleets.services import invitations
from tests.dashboard.account.conftest import PASSWORD, mailed_link, reset_password
from tests.dashboard.account.provider import running
from tests.dashboard.account.test_factors import add_app, second_step
from tests.dashboard.account.test_openid import come_as, connect
from tests.factories import make_member, make_organization

pytestmark = pytest.mark.django_db
OURS: Final = ("dashboard", "devices", "fleets")
NEW: Final = "tangled-otter-41"
# Tables of libraries, all of them: those that the site or its admin uses, and those that nothing may fill.
USED: Final = {
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_admin_log",
    "django_content_type",
    "django_migrations",
    "django_session",
    "mfa_authenticator",
    "procrastinate_events",
    "procrastinate_jobs",
    "procrastinate_periodic_defers",
    "procrastinate_workers",
    "socialaccount_socialaccount",
    "usersessions_usersession",
}
UNUSED: Final = {
    "account_emailaddress",
    "account_emailconfirmation",
    "socialaccount_socialapp",
    "socialaccount_socialtoken",
}
migration = import_module("dashboard.migrations.0002_squashed_unused_tables")


def tables_of_libraries() -> set[str]:
    ours = {
        model._meta.db_table
        for label in OURS
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = current_schema()::regnamespace"
        )
        return {name for (name,) in cursor.fetchall()} - ours


def filled() -> set[str]:
    with connection.cursor() as cursor:
        for table in sorted(UNUSED):
            cursor.execute(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})")  # noqa: S608 - of our own
            if cursor.fetchone():
                return {table}
    return set()


def test_of_every_table_of_a_library_it_is_known_whether_the_site_uses_it() -> None:
    assert tables_of_libraries() == USED | UNUSED
    assert set(migration.TABLES) == UNUSED


def test_the_database_refuses_an_address_in_another_store(user: User) -> None:
    with pytest.raises(IntegrityError, match="account_emailaddress_is_unused"):
        EmailAddress.objects.create(user=user, email=user.email)


@pytest.fixture
def provider() -> Iterator[str]:
    with running() as issuer:
        yield issuer


def test_every_flow_leaves_the_tables_that_the_site_does_not_use_empty(
    user: User, mailing: None, provider: str, settings: Any
) -> None:
    signed_in = Client()
    for step in (join_by_invitation, prove_and_change_the_address, change_and_reset_the_password):
        step(signed_in)
        assert filled() == set(), step.__name__
    add_and_remove_factors(signed_in)
    assert filled() == set()
    come_from_the_provider(signed_in, settings)
    assert filled() == set()
    change_in_the_admin(user)
    assert filled() == set()


def sign_in(client: Client, password: str) -> None:
    client.post("/sign-in/", {"login": "ida", "password": "guess"})
    assert client.post("/sign-in/", {"login": "ida", "password": password}).status_code == 302


def join_by_invitation(client: Client) -> None:
    organization = make_organization()
    owner = make_member(organization, Role.OWNER)
    for email in ("", "guest@example.org"):
        guest = Client()
        _, secret = invitations.invite(
            organization=organization, role=Role.OPERATOR, actor=owner, email=email
        )
        guest.get(f"/invitations/{secret}/")
        name = f"guest-{len(email)}"
        form = {"username": name, "email": f"{name}@example.org", "password": NEW}
        assert guest.post("/join/", form).status_code == 302
    guest.get(mailed_link())
    guest.post("/account/confirm-email/")
    guest.post("/join/")
    assert organization.memberships.count() == 3


def prove_and_change_the_address(client: Client) -> None:
    sign_in(client, PASSWORD)
    client.post("/account/confirm/", {"password": PASSWORD})
    for email in ("ida@example.org", "moe@example.org", "ida@example.org"):
        client.post("/account/email/", {"email": email})
        client.get(mailed_link())
        client.post("/account/confirm-email/")
        assert User.objects.get(username="ida").proven_email == email


def change_and_reset_the_password(client: Client) -> None:
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert client.post("/account/password/", form).status_code == 302
    reset_password(PASSWORD)
    sign_in(client, PASSWORD)
    Client().post("/sign-in/forgotten/", {"email": "nobody@example.org"})
    client.get("/account/sessions/")
    client.post("/account/sessions/end/")


def add_and_remove_factors(client: Client) -> None:
    phone = add_app(client)
    guest = Client()
    guest.post("/sign-in/", {"login": "ida@example.org", "password": PASSWORD})
    assert second_step(guest, phone.code(1)) == "/"
    client.post("/account/factors/codes/new/")
    client.get("/account/passkeys/add/")
    client.post("/account/factors/app/remove/")
    assert not Authenticator.objects.exists()
    add_app(client)
    call_command("forget_factors", "ida")


def come_from_the_provider(client: Client, settings: Any) -> None:
    come_as("ida", Client())  # by the address that both sides have proven
    SocialAccount.objects.all().delete()
    connect(client, "ida")
    client.post("/account/connection/", {"account": str(SocialAccount.objects.get().pk)})
    settings.OIDC_CREATE_ACCOUNTS = True
    newcomer = Client()
    come_as("new", newcomer)
    assert User.objects.filter(email="new@example.org").exists()
    newcomer.post("/account/password/set/", {"password1": NEW, "password2": NEW})
    client.post("/sign-out/")


def change_in_the_admin(user: User) -> None:
    admin = Client()
    admin.force_login(User.objects.create_superuser("root"))
    form = {"username": "added", "usable_password": "true", "password1": NEW, "password2": NEW}
    assert admin.post(reverse("admin:dashboard_user_add"), form).status_code == 302
    path = reverse("admin:dashboard_user_change", args=[user.pk])
    form = {"username": "ida", "email": "moe@example.org", "is_active": "on"}
    form |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert admin.post(path, form).status_code == 302
    assert admin.post(reverse("admin:auth_user_password_change", args=[user.pk]), form).status_code == 200
    admin.post(reverse("admin:dashboard_user_delete", args=[user.pk]), {"post": "yes"})
    assert not User.objects.filter(pk=user.pk).exists()
