"""The addresses of pages: nothing that an address names can be taken for a word, or for another level.

From the URL configuration, so that an address that is new is looked at too. Django's admin names rows by
their keys, which are looked at instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

import pytest
from django.contrib import admin
from django.db import models
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import get_converters

Level = re.Pattern[str] | str  # what an address names there, or a word
ADMIN = "admin/"
LEVELS_UP = (".", "..")  # a browser resolves them before it asks


def patterns() -> list[str]:
    """The route of each page, but the admin's."""
    return [route for route in _walk(get_resolver().url_patterns, "") if not route.startswith(ADMIN)]


def _walk(found: list[URLPattern | URLResolver], before: str) -> Iterator[str]:
    for each in found:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, route)
        else:
            yield route


def levels(route: str) -> list[Level]:
    """Between the slashes: `<slug:organization>` is what its converter takes, a regular expression itself."""
    parts = re.split(r"/(?![^\[]*\])", route.strip("^$").strip("/"))  # a [^/] is no slash
    return [_level(part) for part in parts]


def _level(part: str) -> Level:
    if "(?P<" in part:
        return re.compile(part)
    if "<" not in part:
        return part
    fixed = re.split(r"(<\w+:\w+>)", part)
    known = get_converters()
    return re.compile(
        "".join(known[text[1:].partition(":")[0]].regex if "<" in text else re.escape(text) for text in fixed)
    )


def takes(level: Level, word: str) -> bool:
    return level == word if isinstance(level, str) else bool(level.fullmatch(word))


def beside(route: list[Level], index: int) -> set[str]:
    """The words of other pages that stand where this page names something."""
    others = [levels(each) for each in patterns()]
    return {
        word
        for other in others
        if len(other) > index
        and isinstance(word := other[index], str)
        and len(list(takewhile(_alike, zip(route[:index], other[:index], strict=True)))) == index
    }


def _alike(pair: tuple[Level, Level]) -> bool:
    """Whether an address can have both."""
    ours, others = pair
    if isinstance(ours, str):
        return takes(others, ours)
    return takes(ours, others) if isinstance(others, str) else True


@pytest.mark.parametrize("route", patterns())
def test_what_an_address_names_is_no_word_of_its_level_and_leads_nowhere_else(route: str) -> None:
    ours = levels(route)
    for index, level in enumerate(ours):
        if not isinstance(level, str):
            mistaken = {word for word in {*beside(ours, index), *LEVELS_UP} if takes(level, word)}
            assert mistaken == set()


def test_pages_that_share_a_level_are_found() -> None:
    at = levels("settings/<slug:organization>/members/<int:member>/")
    assert beside(at, 3) == {"invite"}
    assert takes(_level("<str:username>"), "invite")
    assert takes(_level("<str:username>"), "..")


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_the_admin_names_rows_by_numbers(model: type[models.Model]) -> None:
    assert isinstance(model._meta.pk, models.AutoField | models.BigAutoField)
