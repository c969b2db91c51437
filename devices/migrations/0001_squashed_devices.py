"""Devices, their keys, their heartbeats and the VPN servers; and what is searched of a device, beside its row.

With the two that follow it takes the place of 0001 to 0038 of the time before the first release.
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import migrations, models
from django.db.models import CASCADE, DO_NOTHING, PROTECT, SET_NULL, Case, F, Func, Q, Value, When
from django.db.models.functions import Cast, Coalesce, Greatest

UUID = "^([0-9a-f]{32}|[0-9a-f]{62})$"
HEARTBEATS = {"unknown": "Never seen", "recent": "On time", "late": "Late", "lost": "Lost"}
FROZEN = {
    "unpaid": "unpaid invoices",
    "fleet-type": "a paid fleet type in a free organization",
    "allowance": "outside the organization's allowance",
}
KINDS = {"device": "Device", "provisioning": "Provisioning", "service": "Service"}

# The rules of the status over the recorded facts, the first that holds, each with the least cell of its rank.
NEVER_ONLINE = Q(heartbeat_state="unknown", vpn_changed_at__isnull=True)
CONFIGURES = Q(provisioning_progress__isnull=False)
RECENT = Q(heartbeat_state="recent")
RULES = (
    ("frozen", 144, ~Q(frozen_reason="")),
    ("inactive", 128, Q(is_active=False)),
    ("post-provisioning", 96, Q(provisioning_state="Post-Provisioning")),
    ("configuring", 80, NEVER_ONLINE & CONFIGURES),
    ("post-provisioning", 96, NEVER_ONLINE & Q(provisioned_at__isnull=False)),
    ("inactive", 128, NEVER_ONLINE & Q(first_contact_at__isnull=True)),
    ("offline", 0, Q(vpn_connected=False) & Q(heartbeat_state__in=["lost", "unknown"])),
    ("configuring", 80, CONFIGURES),
    ("updating", 64, Q(update_progress__isnull=False) & Q(heartbeat_state__in=["recent", "late"])),
    ("vpn-only", 32, Q(vpn_connected=True) & ~RECENT),
    ("heartbeat-only", 16, Q(vpn_connected=False) & ~(Q(vpn_enabled=False) & RECENT)),
)
STATUS = Case(
    *(When(condition, then=Value(status)) for status, _, condition in RULES),
    default=Value("online"),
    output_field=models.TextField(),
)
RANK = Case(
    *(When(condition, then=Value(cell)) for _, cell, condition in RULES),
    default=Value(112),
    output_field=models.SmallIntegerField(),
)
VPN = Case(
    When(Q(vpn_connected=True), then=Value(0)),
    When(Q(vpn_changed_at__isnull=False, vpn_connected=False, vpn_enabled=True), then=Value(4)),
    When(Q(vpn_changed_at__isnull=True, vpn_connected=False, vpn_enabled=True), then=Value(8)),
    When(Q(vpn_connected=False, vpn_enabled=False), then=Value(12)),
    output_field=models.SmallIntegerField(),
)
HEARTBEAT = Case(
    *(When(Q(heartbeat_state=state), then=Value(number)) for number, state in enumerate(HEARTBEATS)),
    output_field=models.SmallIntegerField(),
)


def number() -> tuple[str, Any]:
    return "id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def text(longest: int = 255, **options: Any) -> Any:
    return models.CharField(blank=True, max_length=longest, **options)


def moment(**options: Any) -> Any:
    return models.DateTimeField(null=True, **options)


def maybe(**options: Any) -> Any:
    return models.DateTimeField(blank=True, null=True, **options)


def created() -> Any:
    """Dated by the database's clock, as it is when the statement begins."""
    clock = Func(output_field=models.DateTimeField(), template="STATEMENT_TIMESTAMP()")
    return models.DateTimeField(db_default=clock, editable=False)


def addresses() -> Any:
    return ArrayField(models.CharField(max_length=255), blank=True, default=list)


def generated(expression: Any, output_field: Any) -> Any:
    return models.GeneratedField(db_persist=True, expression=expression, output_field=output_field)


def key_of(column: str) -> Func:
    """The order of names, alike in every database."""
    template = 'lower(normalize(%(expressions)s, NFD) COLLATE "C")'
    return Func(column, output_field=models.TextField(), template=template)


def refers(to: str, on_delete: Any, **options: Any) -> Any:
    return models.ForeignKey(to, on_delete=on_delete, db_index=False, **options)


def may_refer(to: str, on_delete: Any, **options: Any) -> Any:
    return models.ForeignKey(to, on_delete=on_delete, blank=True, null=True, **options)


def one(related_name: str, on_delete: Any) -> Any:
    """The device that a row is about, one row each."""
    return models.OneToOneField(
        "devices.device",
        on_delete=on_delete,
        primary_key=True,
        related_name=related_name,
        serialize=False,
    )


def by_attention(owner: str, name: str) -> models.Index:
    order = ("recorded_cell", F("recorded_since").desc(), F("id").desc(), "recorded_quiet_at")
    return models.Index(owner, *order, name=name)


def by_silence(owner: str, name: str) -> models.Index:
    order = ["recorded_cell", "-recorded_quiet_at", "-id"]
    return models.Index(fields=[owner, *order], condition=Q(recorded_quiet_at__isnull=False), name=name)


def by_place(name: str, **which: Any) -> models.Index:
    order = ["organization", "activated_at", "id"]
    return models.Index(fields=order, include=["fleet"], condition=Q(**which), name=name)


def percent(name: str) -> Q:
    return Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__range": (0, 100)})


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("devices", "0004_keys"),
        ("devices", "0005_key_service"),
        ("devices", "0006_room_for_updates"),
        ("devices", "0007_places"),
        ("devices", "0010_progress_index"),
        ("devices", "0016_address_index"),
        ("devices", "0018_recorded_cells"),
        ("devices", "0019_last_contacts"),
        ("devices", "0020_descriptions"),
        ("devices", "0028_leases_without_end"),
        ("devices", "0031_registrations_of_a_key"),
        ("devices", "0034_names_of_devices_themselves"),
        ("devices", "0035_names_in_order"),
    ]
    dependencies = [("fleets", "0001_squashed_fleets")]

    operations = [
        migrations.CreateModel(
            name="VpnServer",
            fields=[
                number(),
                ("name", models.CharField(max_length=255)),
                ("boot", text()),
                ("last_sign_at", maybe()),
                ("last_event_at", maybe()),
                ("lease_until", maybe()),
                ("due_at", maybe()),
                ("organization", may_refer("fleets.organization", CASCADE, related_name="vpn_servers")),
            ],
            options={
                "indexes": [
                    models.Index(condition=Q(due_at__isnull=False), fields=["due_at"], name="vpn_server_due")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["organization", "name", "boot"],
                        name="vpn_server_life_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                number(),
                ("kind", models.CharField(choices=list(KINDS.items()), max_length=12)),
                ("name", text(100)),
                ("digest", models.BinaryField(unique=True)),
                ("created_at", created()),
                ("expires_at", maybe()),
                ("revoked_at", maybe()),
                ("last_used_at", maybe(editable=False)),
                ("last_refused_at", maybe(editable=False)),
                ("last_refused_reason", text(60, editable=False)),
                ("registered", models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ("registered_hour", moment(editable=False)),
                ("registered_in_hour", models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ("fleet", may_refer("fleets.fleet", CASCADE, related_name="provisioning_keys")),
                ("organization", may_refer("fleets.organization", CASCADE, related_name="api_keys")),
            ],
        ),
        migrations.CreateModel(
            name="Device",
            fields=[
                number(),
                ("uuid", models.TextField(db_collation="C", validators=[RegexValidator(UUID)])),
                ("name", text()),
                ("device_type", text()),
                ("notes", models.TextField(blank=True)),
                ("tags", models.JSONField(blank=True, default=dict)),
                (
                    "poll_interval",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Seconds; empty: the fleet's.",
                        null=True,
                        validators=[MinValueValidator(10), MaxValueValidator(86400)],
                    ),
                ),
                (
                    "vpn_setting",
                    models.BooleanField(
                        "VPN", blank=True, help_text="Unknown: as the fleet says.", null=True
                    ),
                ),
                ("created_at", created()),
                ("own_name", text(db_default="", default="", editable=False)),
                ("os_version", text()),
                ("supervisor_version", text()),
                ("release", text()),
                ("target_release", text()),
                ("ip_addresses", addresses()),
                ("mac_addresses", addresses()),
                ("update_status", text(20)),
                ("metrics", models.JSONField(blank=True, default=dict)),
                ("metrics_at", maybe()),
                ("public_address", models.GenericIPAddressField(blank=True, null=True)),
                ("frozen_reason", text(10, choices=list(FROZEN.items()), default="")),
                ("is_active", models.BooleanField(default=False)),
                ("activated_at", maybe()),
                ("deactivated_at", maybe()),
                ("provisioned_at", maybe()),
                ("first_contact_at", maybe()),
                ("last_contact_at", maybe()),
                ("provisioning_state", text(default="")),
                ("provisioning_progress", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("update_progress", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("progress_changed_at", maybe()),
                ("vpn_enabled", models.BooleanField(default=True)),
                ("vpn_connected", models.BooleanField(default=False)),
                ("vpn_changed_at", maybe()),
                ("vpn_session", text(default="")),
                (
                    "heartbeat_state",
                    models.CharField(choices=list(HEARTBEATS.items()), default="unknown", max_length=7),
                ),
                ("heartbeat_changed_at", maybe()),
                ("facts_at", moment(editable=False)),
                ("facts_reason", models.JSONField(blank=True, default=dict, editable=False)),
                ("recorded_status", generated(STATUS, models.CharField(max_length=17))),
                ("recorded_status_at", moment(editable=False)),
                ("recorded_cell", generated(RANK + VPN + HEARTBEAT, models.SmallIntegerField())),
                (
                    "recorded_since",
                    generated(Coalesce("recorded_status_at", "created_at"), models.DateTimeField()),
                ),
                (
                    "recorded_quiet_at",
                    generated(
                        Case(
                            When(
                                heartbeat_state__in=("unknown", "lost"),
                                then=Coalesce(
                                    "last_contact_at",
                                    Cast(Value("1970-01-01 00:00:00+00"), models.DateTimeField()),
                                ),
                            )
                        ),
                        moment(),
                    ),
                ),
                (
                    "recorded_progress_at",
                    generated(
                        Func(
                            Cast(Value("10 minutes"), models.DurationField()),
                            "progress_changed_at",
                            Cast(Value("2000-01-01 00:00:00+00"), models.DateTimeField()),
                            function="date_bin",
                        ),
                        moment(),
                    ),
                ),
                ("fleet", refers("fleets.fleet", PROTECT, related_name="devices")),
                (
                    "organization",
                    refers("fleets.organization", PROTECT, editable=False, related_name="devices"),
                ),
                ("provisioned_by", may_refer("devices.apikey", SET_NULL, db_index=False, related_name="+")),
                ("vpn_server", may_refer("devices.vpnserver", SET_NULL, db_index=False)),
            ],
            options={
                "ordering": [key_of("name"), "pk"],
                "indexes": [
                    models.Index(fields=["fleet", "recorded_status"], name="device_fleet_status"),
                    models.Index(fields=["organization", "recorded_status"], name="device_org_status"),
                    by_attention("fleet", "device_fleet_attention"),
                    by_attention("organization", "device_org_attention"),
                    by_silence("fleet", "device_fleet_quiet"),
                    by_silence("organization", "device_org_quiet"),
                    models.Index("organization", key_of("release"), "id", name="device_org_by_release"),
                    models.Index("fleet", key_of("name"), "id", name="device_fleet_by_name"),
                    models.Index("organization", key_of("name"), "id", name="device_org_by_name"),
                    by_place("device_place", is_active=True),
                    by_place("device_beyond", is_active=True, frozen_reason="allowance"),
                    models.Index(
                        condition=Q(public_address__isnull=False),
                        fields=["public_address"],
                        name="device_address",
                    ),
                    models.Index(
                        condition=Q(recorded_status__in=("configuring", "updating")),
                        fields=["organization", "recorded_progress_at"],
                        name="device_progress",
                    ),
                    models.Index(
                        condition=Q(vpn_server__isnull=False), fields=["vpn_server"], name="device_vpn_server"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=["uuid"], name="device_uuid_once"),
                    models.CheckConstraint(condition=Q(uuid__regex=UUID), name="device_uuid"),
                    models.CheckConstraint(
                        condition=Q(heartbeat_state__in=list(HEARTBEATS)), name="device_heartbeat_state"
                    ),
                    models.CheckConstraint(
                        condition=Q(frozen_reason__in=["", *FROZEN]), name="device_frozen_reason"
                    ),
                    models.CheckConstraint(
                        condition=percent("provisioning_progress") & percent("update_progress"),
                        name="device_progress",
                    ),
                    models.CheckConstraint(
                        condition=Q(poll_interval__isnull=True) | Q(poll_interval__range=(10, 86400)),
                        name="device_poll_interval",
                    ),
                ],
            },
        ),
        # A row takes most of a kilobyte: a fifth of the page is room for the new version of one or two.
        migrations.RunSQL(
            "ALTER TABLE devices_device SET (fillfactor = 80)",
            "ALTER TABLE devices_device RESET (fillfactor)",
        ),
        migrations.AddField(
            model_name="apikey",
            name="device",
            field=may_refer("devices.device", CASCADE, related_name="api_keys"),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=Q(
                    kind="device", device__isnull=False, fleet__isnull=True, organization__isnull=False
                )
                | Q(kind="provisioning", device__isnull=True, fleet__isnull=False, organization__isnull=False)
                | Q(kind="service", device__isnull=True, fleet__isnull=True),
                name="api_key_owner",
            ),
        ),
        migrations.CreateModel(
            name="FormerKey",
            fields=[
                ("digest", models.BinaryField(primary_key=True, serialize=False)),
                ("device_uuid", models.TextField()),
                ("deleted_at", models.DateTimeField(db_index=True)),
                ("organization", models.ForeignKey("fleets.organization", on_delete=CASCADE)),
            ],
        ),
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                ("device", one("poll", CASCADE)),
                ("last_poll_at", models.DateTimeField()),
                ("poll_interval", models.PositiveIntegerField()),
                ("late_at", models.DateTimeField()),
                ("lost_at", models.DateTimeField()),
                ("due_at", moment()),
                ("recorded_other_at", moment(editable=False)),
                (
                    "recorded_contact_at",
                    generated(Greatest("last_poll_at", "recorded_other_at"), models.DateTimeField()),
                ),
                ("organization", refers("fleets.organization", CASCADE)),
            ],
            options={
                "indexes": [
                    models.Index(condition=Q(due_at__isnull=False), fields=["due_at"], name="heartbeat_due"),
                    models.Index(
                        condition=Q(due_at__isnull=False),
                        fields=["organization", "-recorded_contact_at", "-device"],
                        name="heartbeat_contact",
                    ),
                    models.Index(
                        condition=Q(due_at__isnull=False, poll_interval__gt=900),
                        fields=["due_at"],
                        name="heartbeat_seldom",
                    ),
                    models.Index(
                        condition=Q(due_at__isnull=True) | Q(due_at=F("lost_at")),
                        fields=["lost_at"],
                        name="heartbeat_ahead",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(late_at__gt=F("last_poll_at"), lost_at__gt=F("late_at"))
                        & (Q(due_at__isnull=True) | Q(due_at=F("late_at")) | Q(due_at=F("lost_at"))),
                        name="heartbeat_deadlines",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Description",
            fields=[
                ("device", one("description", DO_NOTHING)),
                ("recorded_words", SearchVectorField()),
                ("recorded_tags", models.JSONField(default=dict)),
                ("recorded_type", text()),
                ("recorded_os_version", text()),
                ("recorded_release", text()),
                ("organization", refers("fleets.organization", CASCADE)),
            ],
            options={
                "indexes": [
                    GinIndex(fields=["recorded_words"], name="description_words"),
                    GinIndex(fields=["recorded_tags"], name="description_tags"),
                    models.Index(fields=["organization", "recorded_type"], name="description_type"),
                    models.Index(
                        fields=["organization", "recorded_os_version"], name="description_os_version"
                    ),
                    models.Index(fields=["organization", "recorded_release"], name="description_release"),
                ]
            },
        ),
    ]
