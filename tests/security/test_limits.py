"""Pages have limits of size, time and number, seen from outside a real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from contextvars import copy_context

import pytest

from dashboard.asgi import limits as pages
from dashboard.http import password_hashing, request_limits
from dashboard.http.request_limits import BODY_LIMIT
from tests.security.sockets import Answer, answer, ask, calling, head, site
from tests.worker import wait_until

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def port(transactional_db: None) -> Iterator[int]:
    with site() as port:
        yield port


def is_refused(said: Answer, status: int, words: str) -> None:
    """By a page of ours, which says what to do and ends the connection."""
    assert (said.status, words in said.text, "Nothing was changed." in said.text) == (status, True, True)
    assert said.headers["Connection"] == "close"
    assert said.headers["X-Frame-Options"] == "DENY"
    assert "script-src 'self'" in said.headers["Content-Security-Policy"]


def test_what_is_announced_as_too_large_is_not_read(port: int) -> None:
    said = ask(port, head("POST", "/theme/", Content_Length=str(BODY_LIMIT + 1), Expect="100-continue"))
    is_refused(said, 413, "Up to 5 MB are accepted at once")


def test_what_turns_out_to_be_too_large(port: int) -> None:
    with calling(port) as caller:
        caller.sendall(head("POST", "/theme/", Transfer_Encoding="chunked"))
        piece = b"%x\r\n" % 2**16 + b"x" * 2**16 + b"\r\n"
        for _ in range(BODY_LIMIT // 2**16 + 1):
            caller.sendall(piece)
        is_refused(answer(caller), 413, "Up to 5 MB are accepted at once")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"a=" + b"x" * 2**20, FORM),
        (b"&".join(b"a=1" for _ in range(1001)), FORM),
        (
            b"".join(
                b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n'
                for _ in range(3)
            )
            + b"--b--\r\n",
            "multipart/form-data; boundary=b",
        ),
    ],
    ids=["long fields", "many fields", "many files"],
)
def test_a_form_that_has_too_much_in_it(port: int, body: bytes, content_type: str) -> None:
    cookie = f"csrftoken={'c' * 32}"  # with which the token is looked for in the form
    asked = head("POST", "/theme/", Content_Length=str(len(body)), Content_Type=content_type, Cookie=cookie)
    is_refused(ask(port, asked + body), 413, "This is too large")


def test_a_form_that_cannot_be_read(port: int) -> None:
    asked = head("POST", "/theme/", Content_Length="3", Content_Type="multipart/form-data; boundary=")
    assert ask(port, asked + b"abc").status in {400, 403}


def test_a_body_that_does_not_arrive(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "BODY_TIMEOUT", 0.5)
    with calling(port) as caller:
        caller.sendall(head("POST", "/theme/", Content_Length="1000"))
        is_refused(answer(caller), 408, "This took too long to arrive")


def test_a_body_that_trickles(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "BODY_TIMEOUT", 0.5)
    with calling(port) as caller:
        caller.sendall(head("POST", "/theme/", Content_Length="1000"))
        for _ in range(4):
            caller.sendall(b"x")
            time.sleep(0.1)
        is_refused(answer(caller), 408, "This took too long to arrive")


def test_a_slow_line_is_given_time(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes at the least pace is waited for."""
    monkeypatch.setattr(request_limits, "BODY_TIMEOUT", 0.3)
    monkeypatch.setattr(request_limits, "BODY_PACE", 1000)
    with calling(port) as caller:
        caller.sendall(head("POST", "/theme/", Content_Length="1000", Content_Type=FORM))
        for _ in range(5):
            caller.sendall(b"x" * 200)
            time.sleep(0.15)
        assert answer(caller).status == 403  # no CSRF token: it was read


def test_half_sent_bodies_keep_no_page_from_others(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "IN_PROGRESS", 2)
    with ExitStack() as slow:
        for _ in range(10):
            caller = slow.enter_context(calling(port))
            caller.sendall(head("POST", "/theme/", Content_Length="1000"))
        assert ask(port, head("GET", "/static/app.js")).status == 200


def test_more_pages_than_can_be_made_at_once(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "IN_PROGRESS", 0)
    said = ask(port, head("GET", "/sign-in/"))
    is_refused(said, 503, "The server is too busy")
    assert said.headers["Retry-After"] == "10"
    monkeypatch.undo()
    assert ask(port, head("GET", "/static/app.js")).status == 200


@pytest.mark.parametrize("theme", ["", "dark"])
def test_sign_ins_beyond_the_bound_are_refused_before_a_thread_begins_with_them(
    port: int, theme: str
) -> None:
    """By a page that is made once, for each theme."""
    body = b"login=ida&password=guess"
    asked = head(
        "POST", "/sign-in/", Content_Length=str(len(body)), Content_Type=FORM, Cookie=f"theme={theme}"
    )
    with password_hashing.PASSWORDS.slot(), ExitStack() as others:
        for _ in range(password_hashing.PASSWORDS.most - 1):
            others.enter_context(copy_context().run(password_hashing.PASSWORDS.slot))
        said = [ask(port, asked + body) for _ in range(3)]
    assert [(each.status, each.headers["Retry-After"]) for each in said] == [(503, "2")] * 3
    assert "The server is busy with other passwords" in said[0].text
    assert ('data-bs-theme="dark"' in said[0].text) == bool(theme)
    assert "script-src 'self'" in said[2].headers["Content-Security-Policy"]
    assert said[0].text == said[1].text == said[2].text
    assert ask(port, asked + body).status == 403  # no CSRF token: it was read


def test_a_body_at_sign_in_that_does_not_arrive_takes_no_place(port: int) -> None:
    with calling(port) as caller:
        caller.sendall(head("POST", "/sign-in/", Content_Length="1000") + b"x")
        body = b"login=ida&password=guess"
        asked = head("POST", "/sign-in/", Content_Length=str(len(body)), Content_Type=FORM)
        assert ask(port, asked + body).status == 403


def test_the_count_of_pages_under_way_ends_with_them(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "IN_PROGRESS", 1)
    for _ in range(3):
        assert ask(port, head("GET", "/static/app.js")).status == 200
        with calling(port) as caller:
            caller.sendall(head("GET", "/static/app.js"))
        time.sleep(0.3)
    assert ask(port, head("GET", "/no-such-page/")).status == 404


def test_who_goes_away_in_the_middle_of_a_body_leaves_nothing(port: int) -> None:
    with calling(port) as caller:
        caller.sendall(head("POST", "/theme/", Content_Length="1000") + b"x")
    time.sleep(0.2)
    assert ask(port, head("GET", "/static/app.js")).status == 200


def test_few_large_bodies_arrive_at_once_and_small_ones_feel_nothing(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a file and its descriptor, until it was read."""
    monkeypatch.setattr(request_limits, "LARGE_AT_ONCE", 2)
    large = head("POST", "/theme/", Content_Length="1000000", Content_Type=FORM) + b"a=" + b"x" * 400_000
    with ExitStack() as slow:
        for number in range(2):
            caller = slow.enter_context(calling(port))
            caller.sendall(large)
            wait_until(lambda number=number: pages.large == number + 1)  # type: ignore[misc]
        is_refused(ask(port, large), 503, "The server is too busy")
        assert (
            ask(port, head("POST", "/theme/", Content_Length="3", Content_Type=FORM) + b"a=1").status == 403
        )
    wait_until(lambda: pages.large == 0)
