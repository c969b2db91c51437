"""Servers that signed once and then told a connect after a silence: their devices were connected with no end.

They get a lease from now on, as any server that has signed (domain.md, VPN); it reads few rows by index.
"""

from django.db import migrations

GIVE = """
UPDATE devices_vpnserver s
SET lease_until = statement_timestamp() + interval '60 s', due_at = statement_timestamp() + interval '60 s'
WHERE s.due_at IS NULL AND s.name IN (SELECT name FROM devices_vpnserver WHERE lease_until IS NOT NULL)
  AND EXISTS (SELECT 1 FROM devices_device d WHERE d.vpn_server_id = s.id AND d.vpn_connected)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0027_contacts_of_those_that_poll"),
    ]

    operations = [
        migrations.RunSQL(GIVE, migrations.RunSQL.noop),
    ]
