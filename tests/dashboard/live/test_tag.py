"""A polling tag is the same as long as all that is shown is the same, in every depth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings

from dashboard.live.tag import UNSHOWN, tag_of
from devices.listing.filters import Tag
from devices.models import Device, VpnServer
from devices.rules.vocabulary import Status
from fleets.models import Fleet, Organization
from tests.factories import T0


@dataclass(frozen=True)
class Bar:
    share: str
    now: str = field(default="", compare=False)


@dataclass(frozen=True)
class Shown:
    rows: tuple[Bar, ...] = (Bar("10%"), Bar("20%"))
    counts: object = None
    device: object = None


def tag(**values: Any) -> str:
    return tag_of(replace(Shown(), **values), T0)


def device(**facts: object) -> Device:
    organization = Organization(pk=1, name="Depot", slug="depot")
    fleet = Fleet(pk=2, name=str(facts.pop("fleet", "Kiosks")), organization=organization)
    return Device(pk=3, fleet=fleet, created_at=T0, **facts)


def test_equal_values_have_the_same_tag() -> None:
    counts = {Status.ONLINE: 1, Status.OFFLINE: 2}
    assert tag(counts=counts, device=device()) == tag(counts=dict(counts), device=device())


@pytest.mark.parametrize(
    "other",
    [
        {"rows": (Bar("10%"), Bar("21%"))},
        {"rows": (Bar("20%"), Bar("10%"))},
        {"rows": (Bar("10%"),)},
        {"counts": {Status.ONLINE: 1}},
        {"counts": T0},
        {"counts": timedelta(1)},
        {"counts": UUID(int=1)},
        {"counts": Tag("site", "central")},
        {"device": device()},
    ],
)
def test_another_value_has_another_tag(other: dict[str, object]) -> None:
    assert tag(**other) != tag()


@pytest.mark.parametrize("facts", [{"notes": "New."}, {"tags": {"site": "a"}}, {"fleet": "Depots"}])
def test_a_row_is_all_that_was_read_of_it_and_with_it(facts: dict[str, object]) -> None:
    assert tag(device=device(**facts)) != tag(device=device())


def test_an_annotation_counts() -> None:
    annotated = device()
    annotated.status = Status.ONLINE  # type: ignore[attr-defined]
    assert tag(device=annotated) != tag(device=device())


def test_what_moves_in_the_browser_by_itself_does_not_count() -> None:
    assert tag(rows=(Bar("10%", now="40%"), Bar("20%"))) == tag()


def test_the_day_counts() -> None:
    assert tag_of(Shown(), T0 + timedelta(1)) != tag()


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        tag(counts=object())


LEFT_OUT = [f".{name}" for name in UNSHOWN[Device]] + [f"vpn_server.{name}" for name in UNSHOWN[VpnServer]]


@pytest.mark.parametrize("named", sorted(LEFT_OUT))
def test_what_the_tag_leaves_out_is_in_no_template(named: str) -> None:
    templates = [path.read_text() for path in (settings.BASE_DIR / "templates").rglob("*.*")]
    assert not any(named in text for text in templates)
