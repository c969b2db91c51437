"""What saved views and selections keep, from the text of an address to typed JSON.

A text in which something is not known stays as it is, as version 0: opening it tells what that is.
"""

from __future__ import annotations

import re
from typing import Any
from unicodedata import normalize
from urllib.parse import parse_qs

from django.db import migrations, models

MOST = 50  # values of one filter
LONGEST = 200  # characters of a search
STATUSES = {
    "online",
    "vpn-only",
    "heartbeat-only",
    "offline",
    "configuring",
    "updating",
    "post-provisioning",
    "inactive",
    "frozen",
}
VPN = {"connected", "disconnected", "never", "off"}
HEARTBEAT = {"recent", "overdue", "late", "lost", "unknown"}
SILENT = re.compile(r"([0-9]{1,6})([mhd])")
SECONDS = {"m": 60, "h": 3600, "d": 86400}
LONGEST_SILENCE = 3660 * 86400


class Unknown(Exception):
    """Something in a text is not known."""


def typed(text: str) -> dict[str, Any]:
    try:
        return {"v": 1, **_typed(parse_qs(text.removeprefix("?")))}
    except (Unknown, ValueError):
        return {"v": 0, "address": text}


def _typed(asked: dict[str, list[str]]) -> dict[str, Any]:
    size = _last(asked, "per_page") or ""
    if size and not re.fullmatch(r"[0-9]{1,4}", size):
        raise Unknown
    tags = [*_tags(asked, "tag", has=True), *_tags(asked, "no-tag", has=False)]
    silent = _last(asked, "silent")
    filters = {
        "fleets": _values(asked, "fleet"),
        "statuses": _values(asked, "status", STATUSES),
        "vpn": _values(asked, "vpn", VPN),
        "heartbeat": _values(asked, "heartbeat", HEARTBEAT),
        "tags": tags,
        "types": _values(asked, "type"),
        "os_versions": _values(asked, "os"),
        "releases": _values(asked, "release"),
        "silent": _silent(silent.strip()) if silent and silent.strip() else None,
        "text": (_last(asked, "q") or "").strip()[:LONGEST],
    }
    return {
        "organization": _last(asked, "org"),
        "filters": filters,
        "sort": _last(asked, "sort"),
        "size": int(size) if size else None,
        "columns": _values(asked, "columns"),
    }


def _values(asked: dict[str, list[str]], name: str, known: set[str] | None = None) -> list[str]:
    values = sorted({_plain(value).strip() for value in asked.get(name, [])} - {""})
    if len(values) > MOST or (known is not None and not known.issuperset(values)):
        raise Unknown
    return values


def _last(asked: dict[str, list[str]], name: str) -> str | None:
    return _plain(asked[name][-1]) if name in asked else None


def _plain(text: str) -> str:
    """A text of characters that all show."""
    if not text.isprintable():
        raise Unknown
    return normalize("NFC", text)


def _tags(asked: dict[str, list[str]], name: str, *, has: bool) -> list[dict[str, Any]]:
    tags = []
    for words in _values(asked, name):
        key, equals, value = (part.strip() for part in words.partition("="))
        if not key:
            raise Unknown
        tags.append({"key": key, "value": value if equals else None, "has": has})
    return tags


def _silent(value: str) -> int:
    read = SILENT.fullmatch(value)
    if not read or not 0 < (seconds := int(read[1]) * SECONDS[read[2]]) <= LONGEST_SILENCE:
        raise Unknown
    return seconds


def keep_typed(apps: Any, schema_editor: Any) -> None:
    for name in ("SavedView", "Selection"):
        model = apps.get_model("devices", name)
        for row in model.objects.filter(query__isnull=False).iterator():
            model.objects.filter(pk=row.pk).update(kept=typed(row.query))


class Migration(migrations.Migration):
    dependencies = [("devices", "0003_squashed_histories")]

    operations = [
        migrations.AddField("savedview", "kept", models.JSONField(null=True)),
        migrations.AddField("selection", "kept", models.JSONField(null=True)),
        migrations.RunPython(keep_typed),
        migrations.AlterField("savedview", "kept", models.JSONField()),
        migrations.RemoveField("savedview", "query"),
        migrations.RemoveField("selection", "query"),
    ]
