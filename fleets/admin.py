"""Django's admin for organizations, members, fleets and the audit log."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from fleets.models import AuditEntry, Fleet, Membership, Organization
from fleets.text import IN_ADMIN


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows rows without any way to change them, as only services write them."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    can_delete = False
    readonly_fields = ["user", "role"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    """Read-only: the settings pages and the command make_owner keep an Owner and write the audit log."""

    list_display = ["name", "slug", "created_at"]
    search_fields = ["name", "slug"]
    inlines = [MembershipInline]


@admin.register(Fleet)
class FleetAdmin(admin.ModelAdmin):
    formfield_overrides = IN_ADMIN
    list_display = ["name", "slug", "organization", "device_type", "poll_interval"]
    list_filter = ["organization"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}

    def get_readonly_fields(self, request: HttpRequest, obj: Fleet | None = None) -> list[str]:
        # Changing these rewrites the fleet's devices (devices.operations.fleet_settings.change_fleet).
        return ["type", "vpn_enabled", "organization"] if obj else []


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """The audit log of all organizations, with lines of the site itself, such as sign-ins."""

    list_display = ["at", "organization_name", "actor_name", "action", "subject_name", "address"]
    search_fields = ["=actor_name", "=subject_id", "=action"]
    ordering = ["-at", "-pk"]
