"""Logging without secrets."""

import logging
import re

QUERY = re.compile(r"\?[^\s\"']*")
# An invitation's link carries its secret until it is opened (fleets/views/invitations.py).
LINK = re.compile(r"(/invitations/)(?!accept/)[^\s\"'/]+")


class WithoutQuery(logging.Filter):
    """Cuts the query string off every path in a record of an HTTP server, and the secret of a link out."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name in ("django.server", "uvicorn.access") or record.name.startswith("django.request"):
            record.msg, record.args = LINK.sub(r"\1…", QUERY.sub("", record.getMessage())), None
        return True
