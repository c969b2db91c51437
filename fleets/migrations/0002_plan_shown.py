"""Whether pages speak of an organization's plan: from now on where an Owner wants it, or where one limits it."""

from typing import Any

from django.db import migrations, models
from django.db.models import Q


def show(apps: Any, schema_editor: Any) -> None:
    """Those that have a limit or a paid type go on as before."""
    organizations, fleets = apps.get_model("fleets", "Organization"), apps.get_model("fleets", "Fleet")
    paid = fleets.objects.filter(type="paid").values("organization")
    limited = Q(plan="paid") | Q(allowance__isnull=False) | Q(unpaid=True) | Q(pk__in=paid)
    organizations.objects.filter(limited).update(shows_plan=True)


class Migration(migrations.Migration):
    dependencies = [("fleets", "0001_squashed_fleets")]
    operations = [
        migrations.AddField(
            "organization",
            "shows_plan",
            models.BooleanField(
                default=False, help_text="Pages speak of the plan, the allowance and paid types."
            ),
        ),
        migrations.RunPython(show, migrations.RunPython.noop),
    ]
