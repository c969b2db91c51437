"""Logging without secrets, and without a traceback where nothing of ours failed."""

import logging
import re
from typing import Any

QUERY = re.compile(r"\?[^\s\"']*")
# Links carry their secret until they are opened: an invitation's, a forgotten password's, an address's.
LINK = re.compile(r"(/invitations/|/sign-in/new-password/|/account/email/)(?!done/)[^\s\"'/]+")


class Refused(logging.Filter):
    """Makes one line of a request that was refused, with the reason: that is no failure of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("django.") or getattr(record, "status_code", 500) >= 500:
            return True
        if record.exc_info and (reason := str(record.exc_info[1])) not in record.getMessage():
            record.msg, record.args = f"{record.getMessage()}: {reason}", None
        record.exc_info = record.exc_text = None
        request: Any = getattr(record, "request", None)
        told = getattr(request, "refusal_told", False)  # then django.request says it again
        if request is not None:
            request.refusal_told = True
        return not told


class WithoutQuery(logging.Filter):
    """Cuts the query string off every path in a record of an HTTP server, and the secret of a link out."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(("django.request", "django.security", "django.server", "uvicorn")):
            record.msg, record.args = LINK.sub(r"\1…", QUERY.sub("", record.getMessage())), None
        return True
