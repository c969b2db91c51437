"""The addresses of all pages, and the handlers of errors."""

from django.contrib import admin
from django.urls import include, path, register_converter

from dashboard.http import kept_forms, scope
from dashboard.pages import welcome
from dashboard.pages.settings import followed, notifications
from dashboard.urls import converters

register_converter(converters.Uuid, "device")
register_converter(converters.Fingerprint, "key")
register_converter(converters.Secret, "secret")

urlpatterns = [
    path("", include("dashboard.urls.fleets")),
    path("", include("dashboard.urls.devices")),
    path("", include("dashboard.urls.incidents")),
    path("", include("dashboard.account.urls")),
    path("account/notifications/", notifications.notifications, name="account-notifications"),
    path("account/notifications/<slug:organization>/", followed.followed, name="account-followed"),
    path("account/unsubscribed/", notifications.unsubscribed_seen, name="account-unsubscribed"),
    path("welcome/", welcome.welcome, name="welcome"),
    path("theme/", scope.theme, name="theme"),
    path("session/", kept_forms.session, name="session"),
    path("admin/", admin.site.urls),
]
handler400 = "dashboard.http.request_limits.bad_request"
handler403 = "dashboard.pages.parts.access.permission_denied"
handler500 = "dashboard.http.unavailable.server_error"
handler429 = "dashboard.http.request_limits.too_many_tries"  # allauth's rate limits ask for it
