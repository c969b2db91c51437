"""Wrong passwords and codes from an address, whichever accounts they are for.

Counted apart from those of an account: allauth forgets all that it counts as `login_failed` after a second
factor that is right, so who has an account could guess other people's passwords without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from allauth.account.adapter import get_adapter
from allauth.core.internal import ratelimit

if TYPE_CHECKING:
    from allauth.core.internal.ratelimit import RateLimitUsage
    from django.http import HttpRequest


def count(request: HttpRequest) -> RateLimitUsage:
    """Count this try for its address; who turns out to be right takes it back (`rollback`).

    Raises ValidationError where the address has had too many.
    """
    usage = ratelimit.consume(request, app="allauth.account", action="login_failed_from")
    if not usage:
        raise get_adapter().validation_error("too_many_login_attempts")
    return usage
