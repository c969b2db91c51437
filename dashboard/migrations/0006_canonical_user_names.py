"""The canonical form of each user name. Of accounts that have the same, the later ones are renamed."""

import sys
from itertools import count

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils.timezone import now

import dashboard.user_names
from dashboard.user_names import NUMBERED, canonical


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The account that came first keeps its name; a later one gets a number behind its own."""
    users = apps.get_model("dashboard", "User").objects
    taken: set[str] = set()
    doubles = []
    for user in users.order_by("pk").iterator():
        if canonical(user.username) in taken:
            doubles.append(user)
            continue
        taken.add(canonical(user.username))
        user.save(update_fields=["canonical_username"])
    for user in doubles:
        before = user.username
        names = (f"{before[:NUMBERED]}-{number}" for number in count(2))
        user.username = next(name for name in names if canonical(name) not in taken)
        taken.add(canonical(user.username))
        user.save(update_fields=["username", "canonical_username"])
        say(apps, before, user.username)


def say(apps: StateApps, before: str, after: str) -> None:
    """In the audit log, for the administrators of the site, and to who migrates."""
    apps.get_model("fleets", "AuditEntry").objects.create(
        at=now(),
        actor_name="the console",
        action="account-renamed",
        subject_kind="account",
        subject_id=after,
        before={"username": before},
        after={"username": after},
    )
    sys.stdout.write(
        f"\n  The user name {before} was another account's already, but for its case or width:"
        f" the later account is called {after} now."
    )


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0005_one_store_of_addresses"), ("fleets", "0004_audit_tells")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="canonical_username",
            field=dashboard.user_names.CanonicalName(null=True, editable=False),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
