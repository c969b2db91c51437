"""What a transport is given, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

from devices.alerts import digest_text, outbound, rendering, secrets
from devices.alerts.outbound import Answer, Request
from devices.alerts.text import Text
from devices.models import AlertMessage, AlertTarget
from fleets.postgres import availability

SHOWN: Final = 500  # bytes of an answer that people are shown
GONE: Final = 410
# Of 400 to 499, those that another attempt may change.
PASSING: Final = (408, 409, 425, 429)


class Outcome(StrEnum):
    """How an attempt ended."""

    ACCEPTED = "accepted"
    FAILED = "failed"  # another attempt may succeed
    REFUSED = "refused"  # none will
    GONE = "gone"  # none of any message will


@dataclass(frozen=True)
class Result:
    """How an attempt ended, and what was answered. `retry_after` is in seconds, None where nobody said.

    `away`: nobody could be reached, so other messages would not arrive either.
    """

    outcome: Outcome
    text: str = ""
    status: int | None = None
    retry_after: float | None = None
    away: bool = False


@dataclass(frozen=True)
class Field:
    """A value that a kind of target needs. `usual` is taken where it is left empty.

    `check` is called with a value that is not empty, and raises outbound.NotAllowed, which says why not.
    """

    name: str
    label: str
    help: str = ""
    secret: bool = False
    required: bool = True
    address: bool = False  # of a service, by http
    usual: str = ""
    check: Callable[[str], object] | None = None


@dataclass(frozen=True)
class Envelope:
    """A message on its way to a target; several where they are bundled or a digest, the oldest first.

    `fresh`: the target knows nothing of the incident yet. `took` is called with the primary key of each
    person of a role whose mail was accepted, so that nobody is sent it twice.
    """

    target: AlertTarget
    messages: Sequence[AlertMessage]
    at: datetime
    fresh: bool = False
    took: Callable[[int], None] = lambda person: None

    @property
    def message(self) -> AlertMessage:
        """The newest of its messages."""
        return self.messages[-1]

    @cached_property
    def secrets(self) -> Mapping[str, str]:
        """The secrets of the target by name. Raises secrets.Unreadable."""
        return secrets.read(self.target, self.at)

    @cached_property
    def text(self) -> Text:
        """It in words, with times in the site's zone."""
        return self.worded(None)

    def worded(self, zone: tzinfo | None) -> Text:
        """It in words, with times in this zone; None: the site's."""
        if all(message.digest for message in self.messages):
            return digest_text.digest(self.messages, zone=zone)
        if len(self.messages) > 1:
            return rendering.bundled(self.messages, zone=zone)
        return rendering.rendered(self.message, fresh=self.fresh, zone=zone)

    def value(self, name: str, usual: str = "") -> str:
        """A value of the target's configuration, secret or not; `usual` where it has none."""
        return self.secrets.get(name) or str(self.target.configuration.get(name) or "") or usual


def by_http(build: Callable[[Envelope], Request], envelope: Envelope) -> Result:
    """Send the request that `build` makes of the envelope, and say how that ended.

    No connection to the database waits for the receiver.
    """
    try:
        request = build(envelope)
        availability.let_go()
        answer = outbound.send(request)
    except outbound.NotAllowed as error:
        return Result(Outcome.REFUSED, str(error))
    except outbound.Unreachable as error:
        return Result(Outcome.FAILED, str(error), away=True)
    return judged(answer, envelope.at)


def judged(answer: Answer, at: datetime) -> Result:
    """What an answer means: 2xx accepts; 3xx, and 4xx but PASSING, refuse; 410: the target is gone."""
    text = f"It answered {answer.status}: {answer.body[:SHOWN].decode(errors='replace')}".strip(": ")
    wait = waits(answer.retry_after, at)
    if 200 <= answer.status < 300:
        return Result(Outcome.ACCEPTED, text, answer.status)
    if 300 <= answer.status < 400:
        return Result(Outcome.REFUSED, f"{text}. Redirects are not followed.", answer.status)
    if answer.status == GONE:
        return Result(Outcome.GONE, text, answer.status)
    if 400 <= answer.status < 500 and answer.status not in PASSING:
        return Result(Outcome.REFUSED, text, answer.status)
    return Result(Outcome.FAILED, text, answer.status, wait, away=answer.status in (429, 503))


def waits(header: str, at: datetime) -> float | None:
    """The seconds that a header Retry-After asks for, as a number or as a date; None: it asks for nothing."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - at).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
