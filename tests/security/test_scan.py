"""The scanner finds what it is for: else its silence about our pages would say nothing."""

from __future__ import annotations

import pytest
from django.http import HttpResponse

from tests.security.headers import faults, is_kept_by_nobody
from tests.security.scan import HOSTILE, wrong_in


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<style>p { color: red }</style>",
        '<p style="color: red">',
        '<p onclick="alert(1)">',
        '<p hx-on:click="alert(1)">',
        "<p hx-vals='js:{a: 1}'>",
        '<a href="javascript:alert(1)">',
        '<a href=" JavaScript:alert(1)">',
        '<script src="https://cdn.example/a.js"></script>',
        '<a href="//evil.example/">',
        '<a href="http://ours.example/">',
        '<form method="post" action="https://evil.example/"><input name="csrfmiddlewaretoken"></form>',
        '<form method="post"><input name="a"></form>',
        '<form><input name="csrfmiddlewaretoken"></form>',
        '<base href="/">',
        '<meta http-equiv="refresh" content="0; url=/">',
        '<iframe src="/"></iframe>',
        f"<p>{HOSTILE}</p>",
        f'<p title="{HOSTILE.replace("<", "&lt;")}">',
        f"<p title='{HOSTILE.replace('<', '&lt;').replace(chr(34), '&quot;')}'>",
    ],
)
def test_what_is_wrong_in_a_page(html: str) -> None:
    assert wrong_in(html)


def test_what_is_not() -> None:
    escaped = HOSTILE.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("'", "&#x27;")
    script = '<script src="/static/app.js" defer></script>'
    form = '<form method="post"><input name="csrfmiddlewaretoken"></form>'
    assert wrong_in(f'{script}{form}<a href="/?q=1" title="{escaped}">{escaped}</a>') == []


def test_an_answer_without_headers() -> None:
    bare = HttpResponse()
    assert len(faults(bare.headers)) == 7
    assert not is_kept_by_nobody(bare.headers)
    bare["Server"], bare["Access-Control-Allow-Origin"] = "uvicorn", "*"
    assert len(faults(bare.headers)) == 9


def test_what_is_kept_by_nobody() -> None:
    for said, nobody in (("no-store, private", True), ("no-store", False), ("private", False), ("", False)):
        assert is_kept_by_nobody({"Cache-Control": said}) == nobody
