"""Every page of the site."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path, register_converter

from dashboard import health, pages
from devices import converters
from fleets.views import welcome

register_converter(converters.Uuid, "device")
register_converter(converters.Fingerprint, "key")

urlpatterns = [
    path("", include("fleets.urls")),
    path("", include("devices.urls")),
    path(
        "sign-in/",
        LoginView.as_view(template_name="sign-in.html", redirect_authenticated_user=True),
        name="sign-in",
    ),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("welcome/", welcome.welcome, name="welcome"),
    path("theme/", pages.theme, name="theme"),
    path("healthz", health.healthz, name="healthz"),
    path("admin/", admin.site.urls),
]
handler400 = "dashboard.limits.bad_request"
