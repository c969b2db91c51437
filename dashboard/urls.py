"""Every page of the site."""

from django.contrib import admin
from django.urls import include, path, register_converter

from dashboard import kept_forms, pages
from devices import converters
from fleets.views import welcome

register_converter(converters.Uuid, "device")
register_converter(converters.Fingerprint, "key")
register_converter(converters.Secret, "secret")

urlpatterns = [
    path("", include("fleets.urls")),
    path("", include("devices.urls")),
    path("", include("dashboard.account.urls")),
    path("welcome/", welcome.welcome, name="welcome"),
    path("theme/", pages.theme, name="theme"),
    path("session/", kept_forms.session, name="session"),
    path("admin/", admin.site.urls),
]
handler400 = "dashboard.limits.bad_request"
handler500 = "dashboard.unavailable.server_error"
handler429 = "dashboard.limits.too_many_tries"  # allauth's rate limits ask for it
