"""Whether the members of rules are the devices that satisfy them: asked each night, and by verify_status.

Rounds compare them, too, and repair what differs (devices/alerts/learning.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from functools import cache, partial

from devices.alerts import comparing, recorded, rules
from devices.alerts.learning import BY_STATUS, LONGEST
from devices.models import AlertRule, Device, Signal, Teller

logger = logging.getLogger(__name__)


def differences() -> Iterator[tuple[AlertRule, list[int]]]:
    """Rules with the devices, by id, that satisfy them and are no members, or the other way round.

    As of the last round; what was signalled since then is no difference.
    """
    teller = Teller.objects.filter(concluded_at__isnull=False).first()
    if teller is None or teller.concluded_at is None:
        return
    away = cache(partial(recorded.away, teller.concluded_at - LONGEST, teller.concluded_at))
    enabled = AlertRule.objects.filter(enabled=True, condition__in=BY_STATUS).select_related("organization")
    for rule in enabled:
        found = {fact.device for fact in comparing.facts(rule, teller.concluded_at, away)}
        found -= set(
            Signal.objects.filter(organization_id=rule.organization_id).values_list("device_id", flat=True)
        )
        if found:
            yield rule, sorted(found)


def sentences() -> Iterator[str]:
    """Each difference as a sentence."""
    for rule, devices in differences():
        named = dict(Device.objects.filter(pk__in=devices).values_list("pk", "uuid"))
        for pk in devices:
            yield f"{rule.organization}: the rule {rule} and device {named.get(pk, pk)} do not match"


def repair(at: datetime) -> None:
    """Log each difference as an error, and have the next round compare these rules."""
    for rule, devices in differences():
        logger.error("the members of the rule %s do not match %d devices", rule, len(devices))
        rules.compare_again(rule, at)
