"""The polling tag of a live region: the same as long as the region would show the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from functools import cache
from hashlib import blake2b
from json import JSONEncoder
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import ForeignKey, Model
from django.utils import timezone
from msgspec import Struct

from dashboard import __version__


def tag_of(shown: object, at: datetime) -> str:
    """The tag of all values that are shown, in every depth; TypeError where one of them cannot be told.

    Relative times tick in the browser and need no new tag, but day, time zone, the site's words and the
    version change how values read.
    """
    frame = (
        __version__,
        timezone.localdate(at),
        timezone.get_current_timezone_name(),
        settings.VPN_WORD,
        settings.FLEET_WORD,
        settings.CLOUD_NAME,
        settings.SIMPLE_STATUSES,
    )
    return blake2b(ENCODER.encode((frame, shown)).encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> object:
    """A value of ours as values that the encoder knows by itself. A page has hundreds."""
    return _fields_of(type(value))(value)  # type: ignore[arg-type]  # mypy asks for the hash of the value


ENCODER = JSONEncoder(default=_plain, check_circular=False)


@cache
def _fields_of(kind: type) -> Callable[[Any], object]:
    """What makes plain values of this kind of them."""
    if is_dataclass(kind):  # without what moves on in the browser
        return attrgetter(*(field.name for field in fields(kind) if field.compare))
    if issubclass(kind, Struct):
        return attrgetter(*kind.__struct_fields__)
    if issubclass(kind, datetime):
        return kind.timestamp  # a quarter of the time of isoformat, and a page has a thousand
    if issubclass(kind, date | timedelta | UUID):
        return str
    if issubclass(kind, Model):
        return _row
    raise TypeError(f"A polling tag cannot tell one {kind.__name__} from another.")


def _row(row: Model) -> dict[str, object]:
    """Whatever was read of a row, annotations too, and of the rows it points to that were read with it."""
    read = {name: value for name, value in sorted(vars(row).items()) if not name.startswith("_")}
    meta = row._meta  # noqa: SLF001 - Django's documented name for it
    pointed = [field for field in meta.concrete_fields if isinstance(field, ForeignKey)]
    return read | {related.name: getattr(row, related.name) for related in pointed if related.is_cached(row)}
