"""The rule that docs/changing-a-rule.md changes: rule 11 loses its exception."""

from dataclasses import replace
from typing import Final

from django.db.models import Q

from devices.rules.rules import RULES
from devices.rules.vocabulary import Status

# With the VPN disabled on purpose a recent heartbeat alone is no longer Online.
STRICTER: Final = [
    replace(rule, condition=Q(vpn=False)) if rule.status == Status.HEARTBEAT_ONLY else rule for rule in RULES
]
