"""The site as one ASGI application: what devices and VPN servers call, and Django's pages.

A larger site runs `devices.ingest.asgi:app` as processes of their own, so that no page delays a
heartbeat.
"""

import os

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django_application = get_asgi_application()

from dashboard.addresses import Proxied  # noqa: E402 - Django is set up above
from dashboard.limits import Limits  # noqa: E402
from devices.ingest.asgi import PATHS  # noqa: E402
from devices.ingest.asgi import app as ingest  # noqa: E402

pages = Proxied(Limits(django_application))


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Routes by path. The lifespan is the ingest's, which finishes its batches before the end."""
    if scope["type"] == "lifespan" or scope["path"].startswith(PATHS):
        await ingest(scope, receive, send)
    else:
        await pages(scope, receive, send)
