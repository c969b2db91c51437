"""The limit of wrong passwords and codes from one network address, for whatever accounts.

They are not counted as allauth's `login_failed`: it forgets these after a right second factor, so that anyone
with an account could guess other people's passwords without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from allauth.account.adapter import get_adapter
from allauth.core.internal import ratelimit

if TYPE_CHECKING:
    from allauth.core.internal.ratelimit import RateLimitUsage
    from django.http import HttpRequest


def count(request: HttpRequest) -> RateLimitUsage:
    """Count an attempt of the request's address; call `rollback` on the result if it was right.

    Raises ValidationError if the address has had too many.
    """
    usage = ratelimit.consume(request, app="allauth.account", action="login_failed_from")
    if not usage:
        raise get_adapter().validation_error("too_many_login_attempts")
    return usage
