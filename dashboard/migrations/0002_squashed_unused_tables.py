"""Let nothing write to the tables of allauth that the site does not use.

An address in allauth's own table signs in and resets the password beside the one in `dashboard_user`, and one
that is not verified there keeps its person from adding a second factor. The constraints hold for later
versions of allauth.
"""

from django.db import migrations

TABLES = (
    "account_emailconfirmation",
    "account_emailaddress",
    "socialaccount_socialtoken",
    "socialaccount_socialapp",
)


class Migration(migrations.Migration):
    # The last migration replaces the first one of old: a database that has only some of the old ones is told
    # from one in which these were broken off (dashboard/management/commands/migrate.py).
    replaces = [
        ("dashboard", "0001_users"),
        ("dashboard", "0005_one_store_of_addresses"),
        ("dashboard", "0007_one_user_name_each"),
    ]
    dependencies = [
        ("account", "0009_emailaddress_unique_primary_email"),
        ("dashboard", "0001_squashed_people"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} ADD CONSTRAINT {table}_is_unused CHECK (false)",
            f"ALTER TABLE {table} DROP CONSTRAINT {table}_is_unused",
        )
        for table in TABLES
    ]
