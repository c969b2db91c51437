"""What may be so of a device, as the facts that it has then; of all others everything is well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# Facts of a device where everything is well, as SQL over its row `d`; %(at)s is the present moment. `AGE` is
# some part of the longest time, which differs from device to device in no order of theirs.
AGE: Final = "(d.id * 7919 %% 100003 / 100003.0)"
NO_TIME: Final = "NULL::timestamptz"
WELL: Final[Mapping[str, str]] = {
    "heartbeat_state": "'recent'",
    "heartbeat_changed_at": f"%(at)s - interval '20 days' * {AGE}",
    "vpn_enabled": "true",
    "vpn_connected": "true",
    "vpn_changed_at": f"%(at)s - interval '20 days' * {AGE}",
    "vpn_server_id": "1",
    "is_active": "true",
    "frozen_reason": "''",
    "provisioning_state": "''",
    "provisioning_progress": "NULL::smallint",
    "update_progress": "NULL::smallint",
    "update_status": "''",
    "progress_changed_at": NO_TIME,
    "device_type": "'Raspberry Pi 5'",
    "os_version": "'Lookout OS 6.1'",
    "release": "'2.1.0'",
    "target_release": "'2.1.0'",
    "notes": "''",
    "tags": "'{}'::jsonb",
    "first_contact_at": "%(at)s - interval '100 days'",
    "last_contact_at": f"%(at)s - interval '15 minutes' * {AGE}",
    "recorded_status_at": f"%(at)s - interval '20 days' * {AGE}",
}
RECENTLY: Final = f"%(at)s - interval '25 minutes' * {AGE}"
LONG_AGO: Final = f"%(at)s - interval '1 hour' - interval '20 days' * {AGE}"
UPDATING: Final = {"update_progress": "40", "update_status": "'downloading'"}
LOST: Final = {"heartbeat_state": "'lost'", "last_contact_at": LONG_AGO, "heartbeat_changed_at": LONG_AGO}
DOWN: Final = {"vpn_connected": "false", "vpn_server_id": "NULL::bigint"}
NEVER: Final = {
    **DOWN,
    "heartbeat_state": "'unknown'",
    **dict.fromkeys(("heartbeat_changed_at", "first_contact_at"), NO_TIME),
    **dict.fromkeys(("vpn_changed_at", "last_contact_at"), NO_TIME),
}


@dataclass(frozen=True)
class Condition:
    """`facts`: those that differ from WELL where it holds; `filters`: queries of the lists about it.

    `polled`: how long ago such a device polled, as SQL.
    """

    filters: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    polled: str = f"interval '15 minutes' * {AGE}"


STATUSES: Final = {
    "Offline": Condition(("status=offline", "heartbeat=lost", "vpn=disconnected"), LOST | DOWN),
    "VPN only": Condition(("status=vpn-only", "vpn=connected&heartbeat=lost"), LOST),
    "heartbeat only": Condition(("status=heartbeat-only", "vpn=disconnected&heartbeat=recent"), DOWN),
    "updating": Condition(("status=updating",), UPDATING | {"progress_changed_at": RECENTLY}),
    "stalled": Condition(("status=updating",), UPDATING | {"progress_changed_at": LONG_AGO}),
    "configuring": Condition(
        ("status=configuring",), {"provisioning_progress": "40", "progress_changed_at": RECENTLY}
    ),
    "new": Condition(("status=post-provisioning", "heartbeat=unknown", "vpn=never"), NEVER),
    "deactivated": Condition(("status=inactive",), LOST | DOWN | {"is_active": "false"}),
    "frozen": Condition(("status=frozen",), {"frozen_reason": "'allowance'"}),
}
FACTS: Final = {
    "overdue": Condition(("heartbeat=overdue",), polled="interval '16 minutes'"),
    "late": Condition(("heartbeat=late",), {"heartbeat_state": "'late'"}, "interval '1355 seconds'"),
    "VPN off": Condition(("vpn=off",), DOWN | {"vpn_enabled": "false", "vpn_changed_at": NO_TIME}),
    "silent": Condition(("silent=1h", "silent=30d"), LOST | {"last_contact_at": LONG_AGO}),
    "tagged": Condition(("tag=camera", "no-tag=camera"), {"tags": """'{"camera": "yes"}'::jsonb"""}),
    "type": Condition(("type=Intel+NUC",), {"device_type": "'Intel NUC'"}),
    "OS": Condition(("os=Lookout+OS+6.9",), {"os_version": "'Lookout OS 6.9'"}),
    "release": Condition(("release=2.9.0",), {"release": "'2.9.0'"}),
    "words": Condition(("q=warden",), {"notes": "'Ask the warden'"}),
}
CONDITIONS: Final = STATUSES | FACTS
HOLDS: Final = {"all": "true", "none": "false", "one in 1,000": "d.id %% 1000 = 500"}
ORDERS: Final = ("attention", "-attention", "name", "-name", "contact", "-contact", "release", "-release")
