"""The rules of the status as a function, and the two stored columns that tell the status by it.

It builds the device table anew, once, under a lock that readers wait for too: 2 s for 100,000 devices. From then
on a change of a rule replaces the function, which locks no table (docs/changing-a-rule.md).

An older version of the product works with this too, so going back leaves it.
"""

from pathlib import Path
from typing import Any

from django.db import migrations, models
from django.db.models import Case, Func, Q, Value, When

SQL = Path(__file__).with_name("sql")
STATUS = Func(
    "frozen_reason",
    "is_active",
    "provisioning_state",
    "provisioning_progress",
    "update_progress",
    "provisioned_at",
    "first_contact_at",
    "vpn_enabled",
    "vpn_connected",
    "vpn_changed_at",
    "heartbeat_state",
    function="devices_status_of",
    output_field=models.TextField(),
)
RANK = Func(
    STATUS,
    template="(array_position(ARRAY['offline', 'heartbeat-only', 'vpn-only', '', 'updating', 'configuring',"
    " 'post-provisioning', 'online', 'inactive', 'frozen']::text[], %(expressions)s) - 1)",
    output_field=models.SmallIntegerField(),
)
VPN = Case(
    When(Q(vpn_connected=True), then=Value(0)),
    When(Q(vpn_changed_at__isnull=False, vpn_connected=False, vpn_enabled=True), then=Value(4)),
    When(Q(vpn_changed_at__isnull=True, vpn_connected=False, vpn_enabled=True), then=Value(8)),
    When(Q(vpn_connected=False, vpn_enabled=False), then=Value(12)),
    output_field=models.SmallIntegerField(),
)
HEARTBEAT = Case(
    *(
        When(Q(heartbeat_state=state), then=Value(number))
        for number, state in enumerate(("unknown", "recent", "late", "lost"))
    ),
    output_field=models.SmallIntegerField(),
)


def generated(expression: Any, output_field: Any) -> Any:
    return models.GeneratedField(db_persist=True, expression=expression, output_field=output_field)


def run(name: str) -> migrations.RunSQL:
    return migrations.RunSQL((SQL / f"{name}.sql").read_text(), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("devices", "0004_typed_lists")]

    operations = [
        run("status_of_0005"),
        migrations.SeparateDatabaseAndState(
            database_operations=[run("status_columns")],
            state_operations=[
                migrations.AlterField(
                    "device", "recorded_status", generated(STATUS, models.CharField(max_length=17))
                ),
                migrations.AlterField(
                    "device",
                    "recorded_cell",
                    generated(RANK * Value(16) + VPN + HEARTBEAT, models.SmallIntegerField()),
                ),
            ],
        ),
    ]
