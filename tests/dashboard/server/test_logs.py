import io
import logging
from collections.abc import Iterator

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory

from dashboard.server.logs import WithoutQuery


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the site writes to its log."""
    (console,) = (each for each in logging.getLogger().handlers if type(each) is logging.StreamHandler)
    out = io.StringIO()
    before = console.setStream(out)
    yield out
    if before is not None:
        console.setStream(before)


@pytest.mark.django_db
def test_a_foreign_host_is_one_line(log: io.StringIO) -> None:
    assert Client().get("/sign-in/", headers={"host": "evil.example"}).status_code == 400
    (line,) = log.getvalue().splitlines()
    assert "'evil.example'" in line


def test_what_somebody_may_not_do_is_one_line_with_the_reason(log: io.StringIO) -> None:
    request = RequestFactory().get("/admin/")
    refused = PermissionDenied("This needs an administrator.")
    say = logging.getLogger("django.request").warning
    extra = {"status_code": 403, "request": request}
    say("Forbidden (Permission denied): %s", "/admin/", exc_info=refused, extra=extra)
    (line,) = log.getvalue().splitlines()
    assert line.endswith(": Forbidden (Permission denied): /admin/: This needs an administrator.")


def test_a_failure_of_ours_keeps_its_traceback(log: io.StringIO) -> None:
    say = logging.getLogger("django.request").error
    say("Internal Server Error: %s", "/", exc_info=ValueError("ours"), extra={"status_code": 500})
    first, last = log.getvalue().splitlines()
    assert first.endswith("Internal Server Error: /")
    assert last == "ValueError: ours"


def test_no_query_string_reaches_a_log() -> None:
    record = logging.LogRecord(
        "uvicorn.access",
        logging.INFO,
        __file__,
        1,
        '%s - "%s %s HTTP/%s" %d',
        ("192.0.2.7", "GET", "/device/v3/state?apikey=hidden&a=b", "1.1", 200),
        None,
    )
    assert WithoutQuery().filter(record)
    assert record.getMessage() == '192.0.2.7 - "GET /device/v3/state HTTP/1.1" 200'


def test_other_records_stay_as_they_are() -> None:
    record = logging.LogRecord("devices", logging.INFO, __file__, 1, "why? %s", ("so",), None)
    assert WithoutQuery().filter(record)
    assert record.getMessage() == "why? so"


def test_the_secret_of_an_invitation_reaches_no_log() -> None:
    path = "/invitations/s3cr3t-_x/"
    record = logging.LogRecord(
        "django.request", logging.WARNING, __file__, 1, "%s: %s", ("Not Found", path), None
    )
    assert WithoutQuery().filter(record)
    assert record.getMessage() == "Not Found: /invitations/…/"
    record = logging.LogRecord("uvicorn.access", logging.INFO, __file__, 1, "/join/", (), None)
    assert WithoutQuery().filter(record)
    assert record.getMessage() == "/join/"


def test_nor_where_a_form_was_refused_at_its_address() -> None:
    record = logging.LogRecord(
        "django.security.csrf",
        logging.WARNING,
        __file__,
        1,
        "Forbidden (%s): %s",
        ("none", "/invitations/s3cr3t-_x/"),
        None,
    )
    assert WithoutQuery().filter(record)
    assert record.getMessage() == "Forbidden (none): /invitations/…/"
