"""The site as one ASGI application: what devices and VPN servers call, and Django's pages.

A larger site runs `devices.ingest.asgi:app` in processes of its own, so that no page delays a heartbeat, and
`pages` in others: a process that takes no calls of devices must not record that the ingest is alive.
"""

import os

import django
from asgiref.sync import sync_to_async
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponseBase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django.setup(set_prefix=False)

from dashboard.http.proxy import Proxied  # noqa: E402
from dashboard.http.rate_limits import RateLimited  # noqa: E402
from dashboard.http.request_limits import Limits  # noqa: E402
from dashboard.live import event_stream  # noqa: E402 - Django is set up above
from dashboard.server.health import Health  # noqa: E402
from devices.ingest.asgi import app as ingest  # noqa: E402
from devices.ingest.asgi import takes  # noqa: E402


class InOneThread(ASGIHandler):
    """Django's handler with all middleware and the view in one call to a thread.

    None of them is asynchronous; Django would return to the event loop between them.
    """

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)


limits = Limits(InOneThread())
event_stream.EVENT_STREAM.requests_in_progress = lambda: limits.in_progress


async def pages_or_events(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    is_event_stream = scope["type"] == "http" and scope["path"] == event_stream.PATH
    await (event_stream.EVENT_STREAM if is_event_stream else limits)(scope, receive, send)


pages = Health(Proxied(RateLimited(pages_or_events)))  # what people see


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Routes to the ingest or to pages; lifespan events go to the ingest, which ends its batches."""
    if takes(scope):
        await ingest(scope, receive, send)
    else:
        await pages(scope, receive, send)
