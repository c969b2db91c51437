"""Empty the tables of allauth that the site does not use, and let nothing write to them again.

An address in allauth's own table signs in and resets the password beside the one in `dashboard_user`, and one
that is not verified there keeps its person from adding a second factor. The constraints hold for processes of
a former version that still run, and for later versions of allauth.
"""

from django.db import migrations

TABLES = (
    "account_emailconfirmation",
    "account_emailaddress",
    "socialaccount_socialtoken",
    "socialaccount_socialapp",
)


class Migration(migrations.Migration):
    dependencies = [
        ("account", "0009_emailaddress_unique_primary_email"),
        ("dashboard", "0004_list_columns"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ]

    operations = [
        # In one statement, and not by DELETE: deferred checks of foreign keys would hold off ALTER TABLE.
        migrations.RunSQL(f"TRUNCATE {', '.join(TABLES)}", migrations.RunSQL.noop),
        *(
            migrations.RunSQL(
                f"ALTER TABLE {table} ADD CONSTRAINT {table}_is_unused CHECK (false)",
                f"ALTER TABLE {table} DROP CONSTRAINT {table}_is_unused",
            )
            for table in TABLES
        ),
    ]
