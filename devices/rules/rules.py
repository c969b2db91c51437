"""The rule table of domain.md as data: a status, its condition and the sentence that says why.

Every rule is written here once. The database function that stored columns and queries call
(devices/rules/status_function.py), the explanation and the legend are generated from RULES. A condition is
over the facts of a device's row, with `vpn` and `heartbeat` in place of the recorded links. How to change a
rule: docs/changing-a-rule.md.
"""

from __future__ import annotations

from django.db.models import Q

from devices.rules.rule_table import Rule
from devices.rules.vocabulary import POST_PROVISIONING_STATE, HeartbeatState, Status

RECENT = Q(heartbeat=HeartbeatState.RECENT)
NO_HEARTBEAT = Q(heartbeat__in=[HeartbeatState.LOST, HeartbeatState.UNKNOWN])
NEVER_ONLINE = Q(heartbeat=HeartbeatState.UNKNOWN, vpn_changed_at__isnull=True)
CONFIGURES = Q(provisioning_progress__isnull=False)
UPDATES = Q(update_progress__isnull=False)

# First match wins (domain.md, The rules).
RULES = (
    Rule(
        Status.FROZEN,
        ~Q(frozen_reason=""),
        "It is locked because of the allowance, the {fleet} type or unpaid invoices",
    ),
    Rule(
        Status.INACTIVE,
        Q(is_active=False),
        "It is deactivated, or it was preregistered and has not connected yet",
    ),
    Rule(
        Status.POST_PROVISIONING,
        Q(provisioning_state=POST_PROVISIONING_STATE),
        "It reports that its system is written, and it waits for a restart from its own storage",
    ),
    Rule(
        Status.CONFIGURING,
        NEVER_ONLINE & CONFIGURES,
        "It was never online, and it reports the progress of its configuration",
    ),
    Rule(
        Status.POST_PROVISIONING,
        NEVER_ONLINE & Q(provisioned_at__isnull=False),
        "It registered itself and has not come online yet",
    ),
    Rule(
        Status.INACTIVE,
        NEVER_ONLINE & Q(first_contact_at__isnull=True),
        "It has never connected",
    ),
    Rule(
        Status.OFFLINE,
        Q(vpn=False) & NO_HEARTBEAT,
        "It has no contact over the {vpn} or the API",
    ),
    Rule(Status.CONFIGURING, CONFIGURES, "It reports the progress of its configuration"),
    Rule(
        Status.UPDATING,
        UPDATES & Q(heartbeat__in=[HeartbeatState.RECENT, HeartbeatState.LATE]),
        "It is installing a release, and it has contacted the API recently",
    ),
    Rule(
        Status.VPN_ONLY,
        Q(vpn=True) & ~RECENT,
        "The {vpn} is connected, but it has not contacted the API within the expected interval",
    ),
    Rule(
        Status.HEARTBEAT_ONLY,
        Q(vpn=False) & ~(Q(vpn_enabled=False) & RECENT),
        "It has contacted the API recently, but the {vpn} is not connected",
    ),
    Rule(Status.ONLINE, Q(), "All its links are up, and it contacts the API as expected"),
)
