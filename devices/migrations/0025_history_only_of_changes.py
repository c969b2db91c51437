"""The history of devices plans nothing for a statement that changed no status and no fleet."""

from pathlib import Path
from textwrap import indent

from django.db import migrations
from pgtrigger.compiler import Trigger, UpsertTriggerSql
from pgtrigger.migrations import AddTrigger, RemoveTrigger

SQL = Path(__file__).with_name("sql")


def history_changed() -> AddTrigger:
    _comment, text = (SQL / "history_changed_0025.sql").read_text().split("\n\n", maxsplit=1)
    made = UpsertTriggerSql(
        func="\n" + indent(text, " " * 8) + " " * 4,
        pgid="pgtrigger_history_changed_86f9a",
        table="devices_device",
        level="STATEMENT",
        when="AFTER",
        operation="UPDATE",
        referencing="REFERENCING OLD TABLE AS old_rows  NEW TABLE AS new_rows ",
    )
    return AddTrigger(model_name="device", trigger=Trigger(name="history_changed", sql=made))


class Migration(migrations.Migration):
    dependencies = [("devices", "0024_deadlines_that_move_later")]

    operations = [RemoveTrigger(model_name="device", name="history_changed"), history_changed()]
