"""The context about the site that every template has."""

from django.conf import settings
from django.http import HttpRequest

from dashboard import __version__
from dashboard.account.openid import provider_id


def site(request: HttpRequest) -> dict[str, str | bool]:
    """The site's words and version, whether it sends mail, and its OpenID Connect provider ("" if none)."""
    return {
        "cloud_name": settings.CLOUD_NAME,
        "fleet_word": settings.FLEET_WORD,
        "vpn_word": settings.VPN_WORD,
        "version": __version__,
        "mail": bool(settings.EMAIL_HOST),
        "oidc_name": settings.OIDC_NAME if settings.OIDC_ISSUER else "",
        "oidc_provider": provider_id() if settings.OIDC_ISSUER else "",
    }
