"""The triggers that tell the teller of changes, and when an incident parts from those that are left in it."""

from pathlib import Path
from textwrap import indent

from django.db import migrations, models
from pgtrigger.compiler import Trigger, UpsertTriggerSql
from pgtrigger.migrations import AddTrigger

SQL = Path(__file__).with_name("sql") / "signalled.sql"


def signalled(model: str, kind: str, pgid: str) -> AddTrigger:
    _comment, text = SQL.read_text().split("\n\n", maxsplit=1)
    made = UpsertTriggerSql(
        func="\n" + indent(text, " " * 8).replace("KIND", kind) + " " * 4,
        pgid=f"pgtrigger_{pgid}",
        table=f"devices_{model}",
        level="STATEMENT",
        when="AFTER",
        operation="INSERT",
        referencing="REFERENCING NEW TABLE AS new_rows ",
    )
    return AddTrigger(model_name=model, trigger=Trigger(name="signalled", sql=made))


class Migration(migrations.Migration):
    dependencies = [("devices", "0008_alerts")]

    operations = [
        signalled("connectivityrecord", "link", "signalled_5aac0"),
        signalled("statuschange", "status", "signalled_f1403"),
        migrations.AddField("incident", "apart_at", models.DateTimeField(null=True)),
    ]
