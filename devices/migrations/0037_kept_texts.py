"""Texts that were stored before all are kept in one form (fleets/text.py), and words as they are searched now.

Only devices with other than plain characters are looked at, and only rows that differ are written, some
thousands in a transaction.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count
from typing import Any

from django.db import connection, migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import QuerySet

from devices.schema.search_document import describe
from fleets.text import kept

BATCH = 5000
NAME_NUMBERED = 60  # characters of a name that a number is put behind, the number among them
PLAIN_TEXTS = (
    "name",
    "own_name",
    "device_type",
    "os_version",
    "supervisor_version",
    "release",
    "target_release",
)
TEXTS = dict.fromkeys(PLAIN_TEXTS, 255) | {"notes": None}  # the longest of each
# Anything but printable ASCII; or a backslash, by which JSON writes controls.
NOT_PLAIN = r"""
SELECT id FROM devices_device
WHERE id > %s AND concat_ws(' ', name, own_name, notes, device_type, os_version, supervisor_version, release,
                            target_release, tags, array_to_string(ip_addresses, ' ')) ~ '[^ -\[\]-~]'
ORDER BY id LIMIT %s
"""
# The others, whose rows are few: their texts, and together with what these are one row's alone.
NAMED: tuple[tuple[str, str, dict[str, int | None], tuple[str, ...]], ...] = (
    ("fleets", "Organization", {"name": 100}, ()),
    ("fleets", "Fleet", {"name": 100, "device_type": 100}, ()),
    ("devices", "ApiKey", {"name": 100}, ()),
    ("devices", "SavedView", {"name": 60}, ("owner", "organization")),
    ("devices", "VpnServer", {"name": 255}, ("boot",)),
    ("dashboard", "User", {"first_name": 150, "last_name": 150}, ()),
)


def keep_devices(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    devices, changed = apps.get_model("devices", "Device").objects, 0
    for some in _batches():
        with transaction.atomic():
            rows = devices.select_for_update(no_key=True).only(*TEXTS, "tags").order_by("pk")
            for device in rows.filter(pk__in=some):
                changed += _write(device, _differing(device, TEXTS) | _tags(device.tags))
            with connection.cursor() as cursor:
                cursor.execute(describe("(SELECT * FROM devices_device WHERE id = ANY(%s))"), [some])
    if changed:
        sys.stdout.write(f"\n  Texts of {changed} devices were written in Unicode's form NFC.")


def keep_names(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for app, model, texts, together in NAMED:
        rows = apps.get_model(app, model).objects
        for row in rows.order_by("pk").iterator():
            differing = _differing(row, texts)
            for name in differing if together else ():
                differing[name] = _free(rows.exclude(pk=row.pk), row, together, name, differing[name])
            before = {name: getattr(row, name) for name in differing}
            if _write(row, differing):
                sys.stdout.write(f"\n  {model} {row.pk}: {before!a} is {differing!a} now.")


def _batches() -> Iterator[list[int]]:
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(NOT_PLAIN, [last, BATCH])
            some = [pk for (pk,) in cursor.fetchall()]
        if not some:
            return
        yield some
        last = some[-1]


def _differing(row: Any, texts: Mapping[str, int | None]) -> dict[str, Any]:
    """Those texts of a row that are kept otherwise than they are stored, as they are kept."""
    held = {name: getattr(row, name) for name in texts}
    kept_so = {name: kept(text, lines=name == "notes")[: texts[name]] for name, text in held.items()}
    return {name: text for name, text in kept_so.items() if text != held[name]}


def _tags(tags: dict[str, Any]) -> dict[str, Any]:
    """The tags of a device, if they differ so; of names that become the same, the later ones get a number."""
    found: dict[str, Any] = {}
    for name, value in tags.items():
        names = _numbered(kept(name) or "tag", 100)
        free = next(each for each in names if each not in found and (each == name or each not in tags))
        found[free] = kept(value) if isinstance(value, str) else value
    return {} if found == tags else {"tags": found}


def _free(others: QuerySet[Any], row: Any, together: Iterable[str], name: str, text: str) -> str:
    """The text, with a number behind it where another row has it."""
    for each in together:
        value = getattr(row, each)
        others = others.filter(**{f"{each}__isnull": True} if value is None else {each: value})
    names = _numbered(text, NAME_NUMBERED)
    return next(each for each in names if not others.filter(**{f"{name}__iexact": each}).exists())


def _numbered(text: str, longest: int) -> Iterator[str]:
    return chain([text], (f"{text[: longest - 5]}-{number}" for number in count(2)))


def _write(row: Any, values: Mapping[str, Any]) -> bool:
    for name, value in values.items():
        setattr(row, name, value)
    if values:
        row.save(update_fields=list(values))
    return bool(values)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("devices", "0036_folded_words"),
        ("fleets", "0006_folded_words"),
        ("dashboard", "0007_one_user_name_each"),
    ]

    operations = [
        migrations.RunPython(keep_devices, migrations.RunPython.noop),
        migrations.RunPython(keep_names, migrations.RunPython.noop),
    ]
