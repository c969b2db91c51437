"""Logging without secrets."""

import logging
import re

QUERY = re.compile(r"\?[^\s\"']*")
# Links carry their secret until they are opened: an invitation's, a forgotten password's, an address's.
LINK = re.compile(r"(/invitations/|/sign-in/new-password/|/account/email/)(?!done/)[^\s\"'/]+")


class WithoutQuery(logging.Filter):
    """Cuts the query string off every path in a record of an HTTP server, and the secret of a link out."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(("django.request", "django.security", "django.server", "uvicorn")):
            record.msg, record.args = LINK.sub(r"\1…", QUERY.sub("", record.getMessage())), None
        return True
