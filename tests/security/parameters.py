"""Which parameters the pages of the site read: found by asking, so that none can be forgotten."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils.datastructures import MultiValueDict

from tests.security.html import Html

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test.client import _MonkeyPatchedWSGIResponse as Response

# Parameters that stand for a page: where they name nothing, the others are not looked at.
ALONE: Final = {"org", "after", "before", "page", "to", "next"}


@contextmanager
def names_read() -> Iterator[set[str]]:
    """What is looked for, inside this block, in the parameters of requests."""
    names: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        for method in ("get", "getlist", "__getitem__"):
            original = getattr(MultiValueDict, method)

            def spy(
                asked: MultiValueDict[str, str], name: str, *rest: object, original: Any = original
            ) -> Any:
                names.add(name)
                return original(asked, name, *rest)

            patch.setattr(MultiValueDict, method, spy)
        yield names


def linked_names(response: Response) -> set[str]:
    """The parameters in the links of a page, and the fields of the forms that ask."""
    if response.streaming:
        return set()
    page = Html(response.content.decode())
    linked = {name for address in page.addresses for name in parse_qs(urlsplit(address).query)}
    return linked.union(*(form.fields for form in page.forms if form.method == "get"))
