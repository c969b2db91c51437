"""A program of its own, which imports nothing of the site: sends one message by Apprise.

It reads {"url", "title", "body", "type"} as JSON, and writes what Apprise warned of to its standard error.
It ends with 0 if the message was accepted, 1 if not, and 2 if Apprise does not know such an address.
"""

from __future__ import annotations

import json
import logging
import sys

import apprise

ACCEPTED, FAILED, UNKNOWN = range(3)


def main() -> int:
    """Send it once, without redirects."""
    wanted = json.load(sys.stdin)
    asset = apprise.AppriseAsset(http_redirects=False, default_service_retry=0)
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # of an address it cannot read, it logs parts
    service = apprise.Apprise.instantiate(wanted["url"], asset=asset)
    if service is None:
        return UNKNOWN
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("apprise").setLevel(logging.WARNING)
    sent = service.notify(body=wanted["body"], title=wanted["title"], notify_type=wanted["type"])
    return ACCEPTED if sent else FAILED


if __name__ == "__main__":
    sys.exit(main())
