"""The pages for errors of the server: the database is unavailable, or took too long."""

import logging
import sys
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views import defaults

from dashboard.http import query_timeout
from fleets.postgres import availability

logger = logging.getLogger("dashboard")

AGAIN: Final = "10"  # seconds
CANCELLED: Final = "57014"  # SQLSTATE of a cancelled statement, as by dashboard.http.query_timeout


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler of 500, but 503 if the database is unavailable or took too long.

    It makes no query, so that the page shows no account.
    """
    error = sys.exception()
    if error and availability.sqlstate(error) == CANCELLED:
        logger.warning("%s: the database took too long, so the query was stopped", request.path)
        return _unavailable("took_too_long.html", seconds=f"{query_timeout.WATCH.longest:g}")
    if not availability.is_away(error):
        return defaults.server_error(request)
    availability.drop()
    vars(request)["session"] = None  # otherwise its middleware would query it, and wait, once more
    logger.warning("%s: the database does not answer: %s", request.path, str(error).partition("\n")[0])
    return _unavailable("503.html")


def _unavailable(template: str, **context: str) -> HttpResponse:
    words = loader.render_to_string(template, context)
    response = HttpResponse(words, status=503, headers={"Retry-After": AGAIN})
    vars(response)["_has_been_logged"] = True  # otherwise Django logs it as an error with a traceback
    return response
