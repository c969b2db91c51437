"""Pages about incidents, each named by its UUID."""

from django.urls import path

from dashboard.pages.incidents import acting, bell, one
from dashboard.pages.incidents import list as listing

app_name = "incidents"
urlpatterns = [
    path("incidents/", listing.incidents, name="list"),
    path("incidents/bell/", bell.bell, name="bell"),
    path("incidents/read/", bell.read, name="read"),
    path("incidents/<uuid:uuid>/", one.incident, name="one"),
    path("incidents/<uuid:uuid>/acknowledge/", acting.acknowledge, name="acknowledge"),
    path("incidents/<uuid:uuid>/withdraw/", acting.withdraw, name="withdraw"),
    path("incidents/<uuid:uuid>/mute/", acting.mute, name="mute"),
    path("incidents/<uuid:uuid>/mutes/<uuid:mute>/end/", acting.unmute, name="unmute"),
]
