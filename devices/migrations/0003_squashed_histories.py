"""Both histories, partitioned by month, and the functions and triggers that keep what follows from devices.

Their SQL lies in sql/, a file each. A trigger's begins with what it is for, which is not part of the function.
"""

from pathlib import Path
from textwrap import indent
from typing import Any

from django.db import migrations, models
from pgtrigger.compiler import Trigger, UpsertTriggerSql
from pgtrigger.migrations import AddTrigger

SQL = Path(__file__).with_name("sql")
DESCRIBED = (
    "fleet_id",
    "uuid",
    "name",
    "notes",
    "tags",
    "ip_addresses",
    "public_address",
    "device_type",
    "os_version",
    "release",
)
CHANGED = " OR ".join(f'OLD."{name}" IS DISTINCT FROM (NEW."{name}")' for name in sorted(DESCRIBED))
OLD, NEW = "OLD TABLE AS old_rows ", "NEW TABLE AS new_rows "


def sql(name: str) -> str:
    return (SQL / f"{name}.sql").read_text()


def body(name: str, margin: int = 8, end: int = 4) -> str:
    """What a trigger does, indented as it was when the databases of before were made."""
    _comment, text = sql(name).split("\n\n", maxsplit=1)
    return "\n" + indent(text, " " * margin) + " " * end


def trigger(model: str, name: str, func: str, pgid: str, **how: Any) -> AddTrigger:
    made = UpsertTriggerSql(func=func, pgid=f"pgtrigger_{pgid}", table=f"devices_{model}", **how)
    return AddTrigger(model_name=model, trigger=Trigger(name=name, sql=made))


def per_statement(operation: str, *rows: str) -> dict[str, str]:
    """After a statement, with the rows as they were and as they are."""
    return {
        "level": "STATEMENT",
        "when": "AFTER",
        "operation": operation,
        "referencing": f"REFERENCING {' '.join(rows)}",
    }


def per_row(when: str, operation: str, **options: str) -> dict[str, str]:
    return {"when": when, "operation": operation, **options}


def described() -> str:
    return "\n        \n" + sql("described").split("\n\n", maxsplit=1)[1] + ";\n        RETURN NULL;\n"


def number() -> tuple[str, Any]:
    return "id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def of(name: str, **options: Any) -> Any:
    """Without a constraint and an index: a history outlives what it speaks of."""
    return models.ForeignKey(
        name,
        db_constraint=False,
        db_index=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
        **options,
    )


class Migration(migrations.Migration):
    # The last migration replaces the first one of old: a database that has only some of the old ones is told
    # from one in which these were broken off (dashboard/management/commands/migrate.py).
    replaces = [
        ("devices", "0001_devices_and_links"),
        ("devices", "0002_histories"),
        ("devices", "0003_history_triggers"),
        ("devices", "0012_retention"),
        ("devices", "0017_dated_once"),
        ("devices", "0021_left_fleets"),
        ("devices", "0024_short_cut"),
        ("devices", "0026_link_news"),
        ("devices", "0027_contacts_of_those_that_poll"),
        ("devices", "0033_months_of_late_rows"),
        ("devices", "0036_folded_words"),
        ("devices", "0038_names_of_vpn_servers"),
    ]
    dependencies = [("devices", "0002_squashed_work")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    sql("histories"), "DROP TABLE devices_connectivityrecord, devices_statuschange"
                )
            ],
            state_operations=[
                migrations.CreateModel(
                    name="ConnectivityRecord",
                    fields=[
                        number(),
                        (
                            "link",
                            models.CharField(
                                choices=[("vpn", "Vpn"), ("heartbeat", "Heartbeat")], max_length=9
                            ),
                        ),
                        ("before", models.CharField(max_length=12)),
                        ("after", models.CharField(max_length=12)),
                        ("at", models.DateTimeField()),
                        ("reason", models.JSONField(default=dict)),
                        ("fleet", of("fleets.fleet")),
                        ("organization", of("fleets.organization")),
                        ("device", of("devices.device")),
                    ],
                    options={
                        "indexes": [models.Index(fields=["device", "-at", "-id"], name="record_of_device")]
                    },
                ),
                migrations.CreateModel(
                    name="StatusChange",
                    fields=[
                        number(),
                        ("before", models.CharField(max_length=17, null=True)),
                        ("after", models.CharField(max_length=17, null=True)),
                        ("at", models.DateTimeField()),
                        ("reason", models.JSONField(default=dict)),
                        ("device", of("devices.device")),
                        ("fleet", of("fleets.fleet")),
                        ("left_fleet", of("fleets.fleet", null=True)),
                        ("organization", of("fleets.organization")),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["device", "-at", "-id"], name="change_of_device"),
                            models.Index(
                                fields=["organization", "-at", "-id"], name="change_of_organization"
                            ),
                            models.Index(fields=["fleet", "-at", "-id"], name="change_of_fleet"),
                            models.Index(
                                condition=models.Q(left_fleet__isnull=False),
                                fields=["left_fleet", "at"],
                                name="change_left",
                            ),
                            models.Index(
                                condition=models.Q(after__isnull=True),
                                fields=["organization", "at"],
                                name="change_gone",
                            ),
                        ]
                    },
                ),
            ],
        ),
        migrations.RunSQL(sql("history_ahead"), "DROP FUNCTION devices_history_ahead"),
        migrations.RunSQL(sql("history_cut"), "DROP FUNCTION devices_history_cut"),
        trigger(
            "connectivityrecord", "tell", body("tell", 20, 16), "tell_23625", **per_statement("INSERT", NEW)
        ),
        trigger(
            "device",
            "organization",
            body("organization"),
            "organization_ca1a7",
            **per_row("BEFORE", 'INSERT OR UPDATE OF "fleet_id"'),
        ),
        trigger(
            "device",
            "history_created",
            body("history_created"),
            "history_created_c1cc8",
            **per_statement("INSERT", NEW),
        ),
        trigger(
            "device",
            "history_changed",
            body("history_changed"),
            "history_changed_86f9a",
            **per_statement("UPDATE", OLD, NEW),
        ),
        trigger(
            "device",
            "history_deleted",
            body("history_deleted"),
            "history_deleted_d4bd1",
            **per_statement("DELETE", OLD),
        ),
        trigger(
            "device",
            "contacted",
            body("contacted", end=0),
            "contacted_1199f",
            **per_statement("UPDATE", NEW),
        ),
        trigger("device", "described_new", described(), "described_new_b7e13", **per_row("AFTER", "INSERT")),
        trigger(
            "device",
            "described_again",
            described(),
            "described_again_89ed1",
            **per_row(
                "AFTER",
                "UPDATE OF " + ", ".join(f'"{name}"' for name in DESCRIBED),
                condition=f"WHEN ({CHANGED})",
            ),
        ),
        trigger(
            "device",
            "described_no_more",
            body("described_no_more"),
            "described_no_more_7985e",
            **per_statement("DELETE", OLD),
        ),
    ]
