"""What a person sees where a page could not be made: while the database is away, a page that says so."""

import logging
import sys
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views import defaults

from devices import away

logger = logging.getLogger("dashboard")

AGAIN: Final = "10"  # seconds


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's 500, whoever failed: a view, a template or a middleware; but 503 for a database that is away.

    Asks the database nothing, so there is no account on the page either.
    """
    error = sys.exception()
    if not away.is_away(error):
        return defaults.server_error(request)
    away.drop()
    vars(request)["session"] = None  # else its middleware would ask for it, and wait, once more
    logger.warning("%s: the database does not answer: %s", request.path, str(error).partition("\n")[0])
    response = HttpResponse(loader.render_to_string("503.html"), status=503, headers={"Retry-After": AGAIN})
    vars(response)["_has_been_logged"] = True  # else Django logs it as a mistake of ours, with a traceback
    return response
