"""Devices, servers, histories, keys and verifications in the admin.

Link facts and histories are read only.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from devices.models import ApiKey, ConnectivityRecord, Device, StatusChange, Verification, VpnServer
from devices.operations import lifecycle
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import with_status
from fleets.admin import ReadOnlyAdmin
from fleets.text import IN_ADMIN

SETTINGS = ["name", "device_type", "notes", "poll_interval"]
FACTS = [
    "tags",
    "organization",
    "fleet",
    "uuid",
    "created_at",
    "recorded_status",
    "recorded_status_at",
    "frozen_reason",
    "is_active",
    "activated_at",
    "deactivated_at",
    "provisioned_at",
    "first_contact_at",
    "last_contact_at",
    "provisioning_state",
    "provisioning_progress",
    "update_progress",
    "progress_changed_at",
    "vpn_enabled",
    "vpn_connected",
    "vpn_changed_at",
    "vpn_server",
    "heartbeat_state",
    "heartbeat_changed_at",
    "os_version",
    "supervisor_version",
    "release",
    "target_release",
    "public_address",
    "facts_at",
    "facts_reason",
]


@admin.register(Device)
class DeviceAdmin(admin.ModelAdmin):
    list_display = ["name", "short_uuid", "fleet", "live_status", "last_contact_at"]
    list_filter = ["organization", "device_type"]
    list_select_related = ["fleet"]
    search_fields = ["name", "uuid"]
    show_full_result_count = False
    formfield_overrides = IN_ADMIN

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        return with_status(super().get_queryset(request))

    @admin.display(description="status")
    def live_status(self, device: DeviceWithStatus) -> str:
        return str(device.status)

    def get_fields(self, request: HttpRequest, obj: Device | None = None) -> list[Any]:
        return [*SETTINGS, *FACTS]

    def get_readonly_fields(self, request: HttpRequest, obj: Device | None = None) -> list[Any]:
        return FACTS

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # devices register, or are preregistered with a key

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # Facts and keys go with their device, whatever the admin allows for them alone.
        return [str(device) for device in objs], {"devices": len(objs)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Device) -> None:
        lifecycle.delete(device=obj, actor=None)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        for device in queryset:
            lifecycle.delete(device=device, actor=None)


@admin.register(VpnServer)
class VpnServerAdmin(ReadOnlyAdmin):
    list_display = ["name", "boot", "organization", "last_sign_at", "lease_until"]
    search_fields = ["name"]


@admin.register(StatusChange)
class StatusChangeAdmin(ReadOnlyAdmin):
    list_display = ["at", "device_id", "before", "after", "reason"]
    ordering = ["-at"]


@admin.register(ConnectivityRecord)
class ConnectivityRecordAdmin(ReadOnlyAdmin):
    list_display = ["at", "device_id", "link", "before", "after", "reason"]
    ordering = ["-at"]


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ["kind", "name", "organization", "created_at", "expires_at", "revoked_at"]
    list_filter = ["kind"]
    exclude = ["digest"]


@admin.register(Verification)
class VerificationAdmin(ReadOnlyAdmin):
    list_display = ["began_at", "ended_at", "found"]
    ordering = ["-began_at"]
