from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class DashboardConfig(AppConfig):
    name = "dashboard"

    def ready(self) -> None:
        from dashboard.account import events  # noqa: PLC0415 - needs the models
        from dashboard.server import checks  # noqa: F401, PLC0415 - registers them

        events.connect()


class AdminConfig(admin_apps.AdminConfig):
    default = False  # not this app's own
    default_site = "dashboard.admin_site.Site"
