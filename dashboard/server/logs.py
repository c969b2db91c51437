"""Log filters: no secrets in logs, and no traceback for requests that were refused."""

import logging
import re
from typing import Any

QUERY = re.compile(r"\?[^\s\"']*")
# Addresses with a secret: of an invitation, of a password reset, of confirming an e-mail address, and of a
# link in a mail about alerts.
LINK = re.compile(
    r"(/invitations/|/sign-in/new-password/|/account/email/|/confirm-target/|/unsubscribe/)(?!done/)[^\s\"'/]+"
)


class Refused(logging.Filter):
    """Reduces the records of a refused request to one line with the reason, without a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("django.") or getattr(record, "status_code", 500) >= 500:
            return True
        if record.exc_info and (reason := str(record.exc_info[1])) not in record.getMessage():
            record.msg, record.args = f"{record.getMessage()}: {reason}", None
        record.exc_info = record.exc_text = None
        request: Any = getattr(record, "request", None)
        was_logged = getattr(request, "refusal_logged", False)  # django.request logs it once more
        if request is not None:
            request.refusal_logged = True
        return not was_logged


class WithoutQuery(logging.Filter):
    """Removes query strings and secrets of links from records of HTTP servers."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(("django.request", "django.security", "django.server", "uvicorn")):
            record.msg, record.args = LINK.sub(r"\1…", QUERY.sub("", record.getMessage())), None
        return True
