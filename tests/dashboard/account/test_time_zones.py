"""The menu of time zones is the one that Django would make."""

from __future__ import annotations

import pytest
from django import forms
from django.test.html import parse_html

from dashboard.account.time_zones import ZoneMenu, zones


@pytest.mark.parametrize("chosen", ["Europe/Oslo", "", None, "Nowhere/<b>"])
def test_it_has_the_same_options_and_attributes_as_a_menu_of_django(chosen: str | None) -> None:
    choices = [("", "Same as <the> browser"), *zones()]
    own, theirs = (
        menu({"class": "form-control"}, choices).render("zone", chosen, {"id": "id_zone", "required": True})
        for menu in (ZoneMenu, forms.Select)
    )
    assert parse_html(own) == parse_html(theirs)


def test_zones_are_there_by_name_and_in_order() -> None:
    names = dict(zones())
    assert names["America/New_York"] == "America/New York"
    assert "Factory" not in names
    assert list(names) == sorted(names)
