"""What every template may say about the site."""

from django.conf import settings
from django.http import HttpRequest

from dashboard import __version__


def site(request: HttpRequest) -> dict[str, str | bool]:
    """The site's words for the cloud, fleets and the VPN, its version, and whether it sends mail."""
    return {
        "cloud_name": settings.CLOUD_NAME,
        "fleet_word": settings.FLEET_WORD,
        "vpn_word": settings.VPN_WORD,
        "version": __version__,
        "mail": bool(settings.EMAIL_HOST),
    }
