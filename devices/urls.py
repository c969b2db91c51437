"""Pages about devices. Fleets are named by slug, devices by UUID."""

from django.urls import path, register_converter

from devices.models import UUID_PATTERN
from devices.views import detail, listing, statuses


class UuidConverter:
    """A device's UUID as it is stored; anything else is no page."""

    regex = UUID_PATTERN.strip("^$")

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(UuidConverter, "device")

app_name = "devices"
urlpatterns = [
    path("devices/", listing.devices, name="list"),
    path("devices/<device:uuid>/", detail.device, name="detail"),
    path("fleets/<slug:slug>/", listing.fleet, name="fleet"),
    path("statuses/", statuses.statuses, name="statuses"),
]
