"""How each kind of target is sent to: one small module per kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Final

from devices.alerts import secrets
from devices.alerts.transports import (
    alertmanager,
    apprise,
    email,
    gotify,
    ntfy,
    pagerduty,
    pushover,
    role,
    slack,
    teams,
    telegram,
    webhook,
)
from devices.alerts.transports.envelope import Envelope, Field, Outcome, Result, by_http
from devices.models import AlertTarget

Kind = AlertTarget.Kind


@dataclass(frozen=True)
class Transport:
    """What a kind of target needs to be set up, and how it is sent a message, once.

    `most_in_hour`: how many messages it takes in an hour, beyond which they are bundled; None: any number.
    `is_offered`: whether this site has it.
    """

    fields: Sequence[Field]
    send: Callable[[Envelope], Result]
    most_in_hour: int | None = 60
    is_offered: Callable[[], bool] = lambda: True


def _http(module: ModuleType, most_in_hour: int | None = 60) -> Transport:
    return Transport(module.FIELDS, partial(by_http, module.request), most_in_hour)


TRANSPORTS: Final = {
    Kind.EMAIL: Transport(email.FIELDS, email.send),
    Kind.ROLE: Transport(role.FIELDS, role.send),
    Kind.WEBHOOK: _http(webhook, None),
    Kind.SLACK: _http(slack),
    Kind.TEAMS: _http(teams),
    Kind.NTFY: _http(ntfy),
    Kind.GOTIFY: _http(gotify),
    Kind.PUSHOVER: _http(pushover),
    Kind.TELEGRAM: _http(telegram),
    Kind.PAGERDUTY: _http(pagerduty, None),
    Kind.ALERTMANAGER: _http(alertmanager, None),
    Kind.APPRISE: Transport(apprise.FIELDS, apprise.send, is_offered=apprise.is_offered),
}


def offered() -> list[Kind]:
    """The kinds of targets that can be created on this site."""
    return [kind for kind, transport in TRANSPORTS.items() if transport.is_offered()]


def send(envelope: Envelope) -> Result:
    """Send a message to its target, once."""
    try:
        return TRANSPORTS[Kind(envelope.target.kind)].send(envelope)
    except secrets.Unreadable as error:
        return Result(Outcome.FAILED, str(error), away=True)
