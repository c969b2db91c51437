"""The admin of organizations, their members and fleets."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from fleets.models import AuditEntry, Fleet, Membership, Organization
from fleets.text import IN_ADMIN


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that only the services write."""

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
    """Changed on its settings pages, which keep an Owner and the audit log; see also make_owner."""

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
        # A change must rewrite its devices in the same transaction
        # (devices.operations.fleet_settings.change_fleet).
        return ["type", "vpn_enabled", "organization"] if obj else []


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """The log of all organizations, and of the site: sign-ins have no organization."""

    list_display = ["at", "organization_name", "actor_name", "action", "subject_name", "address"]
    search_fields = ["=actor_name", "=subject_id", "=action"]
    ordering = ["-at", "-pk"]
