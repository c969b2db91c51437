"""What a passive scanner would report of an answer of the site."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tests.security.headers import faults, is_kept_by_nobody
from tests.security.html import Form, Html

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

# Breaks out of a text, and of an attribute in whichever quotes.
HOSTILE: Final = "qz<x qz\"x qz'x qz>x"
BROKEN_OUT: Final = re.compile(r"qz[<\"'>]x")
KINDS: Final = {"", "text/html", "application/json", "text/csv", "text/plain", "text/javascript"}


def wrong_with(response: Response) -> list[str]:
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    found = faults(response.headers)
    if not is_kept_by_nobody(response.headers):
        found.append(f"Cache-Control: {response.headers.get('Cache-Control')}")
    if kind not in KINDS:
        found.append(f"Content-Type: {kind}")
    if kind == "text/html" and not response.streaming:
        found += wrong_in(response.content.decode())
    return found


def wrong_in(text: str) -> list[str]:
    page = Html(text)
    found = [f"inline {each}" for each in page.inline]
    found += [f"leads elsewhere: {each}" for each in page.addresses if not is_ours(each)]
    found += [f"sends elsewhere: {form.action}" for form in page.forms if not is_ours(form.action)]
    found += [f"sends without a token: {form.action}" for form in page.forms if is_unguarded(form)]
    found += [
        f"unescaped: {text[match.start() - 40 : match.end() + 20]}" for match in BROKEN_OUT.finditer(text)
    ]
    return found


def is_ours(address: str) -> bool:
    parts = urlsplit(address)
    return not parts.scheme and not parts.netloc


def is_unguarded(form: Form) -> bool:
    """A form that changes something without a token, or asks with one, which then stands in the address."""
    return (form.method == "post") != ("csrfmiddlewaretoken" in form.fields)
