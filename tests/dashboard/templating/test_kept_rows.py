"""Rows from memory read exactly as if they were rendered again, whatever changed around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import Mock
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.utils import timezone

from dashboard.http.scope import Scope
from dashboard.pages.attention.item import Item, Named, Next, Single
from dashboard.pages.devices.column_menu import Columns
from dashboard.pages.devices.columns import DEFAULT
from dashboard.pages.parts.device_row import Row
from dashboard.pages.parts.standing import Standing
from dashboard.templating import kept_rows, render
from dashboard.templating.indicators import Indicator
from dashboard.templating.kept_rows import KeptRows
from fleets.models import Fleet, Organization
from tests.factories import T0, seconds

LOST = Row(
    uuid="a" * 32,
    name="pump <1>",
    fleet_slug="kiosks",
    fleet_name="Kiosks",
    status="offline",
    since=T0 - seconds(100),
    links=(
        Indicator("vpn", "lost", "VPN lost", T0 - timedelta(hours=5)),
        Indicator("heartbeat", "lost", "API lost", T0 - seconds(200), T0 - seconds(400), T0 - seconds(300)),
    ),
    last_contact=T0 - timedelta(days=2),
    added=T0 - timedelta(days=400),
)
ROWS = [
    LOST,
    Row("b" * 32),
    replace(LOST, uuid="c" * 32, status="updating", stalled_since=T0 - timedelta(hours=1), progress=40),
]
ALONE = Item(
    id="alone",
    number=1,
    since=T0 - seconds(100),
    counts=(("updating", 1),),
    what="makes no progress",
    next=Next("unless it reports", "offline", T0 + seconds(60)),
    fleets=(("kiosks", "Kiosks"),),
    fleet_number=1,
    tags=("site = central",),
    row=Single("a" * 32, "pump <1>", "updating", T0 - timedelta(hours=1), "192.0.2.1"),
    standing=Standing(str(UUID(int=1)), "Kim", "a maintenance window", T0 + timedelta(hours=20)),
)
TOGETHER = replace(
    ALONE,
    id="together",
    number=2,
    counts=(("offline", 2),),
    what="{devices} lost their VPN",
    place="{devices} in kiosks",
    next=Next("Stay Offline until they report"),
    fleet_number=2,
    row=None,
    named=(Named("b" * 32, "pump 2", "offline", "Kiosks"), Named("c" * 32, "pump 3", "offline", "Trams")),
    query=(("vpn", "disconnected"),),
    standing=None,
)
COLUMNS = Columns(DEFAULT, choices=[], full=False, usual=None, own=True)
OTHERS = replace(COLUMNS, shown=("contact", "added", "tags"))
ELSEWHERE = Scope([], Organization(pk=1, slug="other"), {})
MOMENTS = (0, 1, 59, 61, 3600, 86_400, 40 * 86_400, 400 * 86_400)  # seconds after T0


def page(at: datetime = T0, **changes: Any) -> dict[str, Any]:
    return {"at": at, "scope": Scope([], None, {}), "columns": COLUMNS, "fleet": None} | changes


def shown(kept: KeptRows, context: dict[str, Any], rows: list[Row]) -> str:
    return kept.rendered("devices/rows.jinja", context, rows, context["columns"].shown, context["fleet"])


@pytest.fixture(autouse=True)
def _in_utc() -> Iterator[None]:
    with timezone.override("UTC"):
        yield


def pages() -> Iterator[dict[str, Any]]:
    for after in MOMENTS:
        yield page(T0 + seconds(after))
    yield page(columns=OTHERS)
    yield page(scope=ELSEWHERE)
    yield page(fleet=Fleet(pk=1))


def lines(kept: KeptRows, context: dict[str, Any]) -> str:
    words = {"fleet_word": settings.FLEET_WORD}
    return kept.rendered("attention/rows.jinja", context | words, [ALONE, TOGETHER])


def test_they_read_as_rendered_again_wherever_and_whenever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = KeptRows()
    for zone in ("UTC", "Asia/Tokyo", "America/Los_Angeles"):
        for simple in (False, True):
            monkeypatch.setattr(settings, "SIMPLE_STATUSES", simple)
            monkeypatch.setattr(settings, "FLEET_WORD", "Group" if simple else "Fleet")
            with timezone.override(ZoneInfo(zone)):
                for context in pages():
                    assert shown(kept, context, ROWS) == shown(KeptRows(), context, ROWS)
                    assert lines(kept, context) == lines(KeptRows(), context)
                    assert shown(kept, context, ROWS[::-1]) == shown(KeptRows(), context, ROWS[::-1])


def test_only_a_row_that_reads_differently_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = Mock(wraps=render.rendered)
    monkeypatch.setattr(kept_rows, "rendered", rendered)
    kept = KeptRows()
    shown(kept, page(), ROWS)
    shown(kept, page(T0 + seconds(1)), ROWS)  # a second later all times are the same in words
    assert rendered.call_count == 1
    now = replace(LOST, name="pump 2")
    assert "pump 2" in shown(kept, page(), [now, *ROWS[1:]])
    assert rendered.call_args.args[1]["rows"] == [now]


def test_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_rows, "MOST", 2)
    kept, rendered = KeptRows(), Mock(wraps=render.rendered)
    shown(kept, page(), ROWS)
    monkeypatch.setattr(kept_rows, "rendered", rendered)
    shown(kept, page(), ROWS[1:])
    assert not rendered.called
    shown(kept, page(), ROWS)
    assert rendered.call_args.args[1]["rows"] == ROWS[:1]
