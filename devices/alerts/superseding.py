"""An older message that was not sent gives way to a newer one of its incident and target, which says more."""

from __future__ import annotations

from collections.abc import Hashable

from devices.models import AlertMessage, AlertTarget


def supersede(target: AlertTarget) -> None:
    """End each message to the target that another one says more than, of those that are to be sent."""
    newest: dict[Hashable, AlertMessage] = {}
    unsent = AlertMessage.objects.filter(target=target, outcome="").only(
        "incident", "number", "kind", "snapshot"
    )
    for message in unsent.order_by("-number", "-created_at", "-pk"):
        by = newest.setdefault(_about(message), message)
        if by is not message:
            AlertMessage.objects.filter(pk=message.pk, outcome="").update(
                outcome=AlertMessage.Outcome.SUPERSEDED, next_at=None, superseded_by=by
            )


def _about(message: AlertMessage) -> Hashable:
    """What a message is about: an incident, or the incidents that a storm holds; else it alone."""
    if message.incident_id:
        return message.incident_id
    return "storm" if message.snapshot.get("reason") == "storm" else (message.pk,)
