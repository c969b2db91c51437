"""The polling tag: a digest of all that a live region shows, so that an unchanged region is answered 304."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from functools import cache
from hashlib import blake2b
from json import JSONEncoder
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from django.db.models import ForeignKey, Model
from msgspec import Struct

from dashboard.templating.frame import frame
from devices.models import Device, VpnServer
from devices.status import reading

# Columns that no live region shows, by model: they change while all that is shown stays the same, such as the
# lease of a VPN server, which each sign of it renews.
UNSHOWN: Final[dict[type[Model], frozenset[str]]] = {
    Device: frozenset(reading.UNSHOWN),
    VpnServer: frozenset(("last_sign_at", "last_event_at", "lease_until", "due_at")),
}


def tag_of(shown: object, at: datetime) -> str:
    """A digest, in hexadecimal, of nested values that are shown at `at`.

    Day, time zone, the site's words and the version are part of it, as they change how values read; the time
    of day is not, as relative times tick in the browser. Raises TypeError for a value of a type that it
    cannot compare.
    """
    return blake2b(ENCODER.encode((frame(at), shown)).encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> object:
    """A value as values that the JSON encoder knows by itself."""
    return _fields_of(type(value))(value)  # type: ignore[arg-type]  # mypy asks for the hash of the value


ENCODER = JSONEncoder(default=_plain, check_circular=False)


@cache
def _fields_of(kind: type) -> Callable[[Any], object]:
    """The function that converts values of this type for the encoder. Raises TypeError if there is none."""
    if is_dataclass(kind):  # without fields that advance in the browser
        return attrgetter(*(field.name for field in fields(kind) if field.compare))
    if issubclass(kind, Struct):
        return attrgetter(*kind.__struct_fields__)
    if issubclass(kind, datetime):
        return kind.timestamp  # takes a quarter of the time of isoformat, and a page has a thousand
    if issubclass(kind, date | timedelta | UUID):
        return str
    if issubclass(kind, Model):
        return _row
    raise TypeError(f"A polling tag cannot tell one {kind.__name__} from another.")


def _row(row: Model) -> dict[str, object]:
    """The loaded fields and annotations of a row that are shown, and the related rows loaded with it."""
    unshown = UNSHOWN.get(type(row), ())
    loaded = {
        name: value
        for name, value in sorted(vars(row).items())
        if not name.startswith("_") and name not in unshown
    }
    meta = row._meta  # noqa: SLF001 - Django's documented name for it
    keys = [field for field in meta.concrete_fields if isinstance(field, ForeignKey)]
    return loaded | {field.name: getattr(row, field.name) for field in keys if field.is_cached(row)}
