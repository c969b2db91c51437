"""What every template may say about the site."""

from django.conf import settings
from django.http import HttpRequest

from dashboard import __version__


def site(request: HttpRequest) -> dict[str, str]:
    """The words the site has chosen for the cloud, fleets and the VPN, and its version."""
    return {
        "cloud_name": settings.CLOUD_NAME,
        "fleet_word": settings.FLEET_WORD,
        "vpn_word": settings.VPN_WORD,
        "version": __version__,
    }
