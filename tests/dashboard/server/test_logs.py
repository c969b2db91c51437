import logging

from dashboard.server.logs import WithoutQuery


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
