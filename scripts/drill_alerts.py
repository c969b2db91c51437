"""What is told during the drill (drill.py): a webhook and a mail server receive it, on loopback."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.devices.alerts.mail_server import MailServer, mail_server
from tests.devices.alerts.receivers import WebReceiver, web_receiver


@contextmanager
def receivers() -> Iterator[tuple[WebReceiver, MailServer]]:
    """Both, with the settings by which the site may send to them in the environment."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # it would say each command of SMTP
    with web_receiver() as web, mail_server() as mail:
        os.environ |= {
            "TARGETS_PLAIN": "1",
            "TARGETS_PRIVATE": "127.0.0.0/8",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(mail.port),
            "EMAIL_SECURITY": "none",
        }
        yield web, mail


@dataclass(frozen=True)
class Alerts:
    """The rules that come with the product and one that tells at once, and what their target received."""

    web: WebReceiver
    mail: MailServer

    def begin(self) -> None:
        """Put the rules in force, and have an administrator of the site with a confirmed address."""
        from dashboard.account import people  # noqa: PLC0415 - models load after django.setup
        from dashboard.models import User  # noqa: PLC0415
        from devices import clock  # noqa: PLC0415
        from devices.alerts import rules, targets  # noqa: PLC0415
        from devices.alerts.rule_values import Step, usual  # noqa: PLC0415
        from devices.alerts.target_values import Wanted  # noqa: PLC0415
        from devices.models import AlertRule, AlertStep, AlertTarget, Condition, Severity  # noqa: PLC0415
        from fleets.models import Organization  # noqa: PLC0415

        address = "mia@halden.example"
        mia = people.create(username="mia", email=address, password_hash="", superuser=True)
        User.objects.filter(pk=mia.pk).update(proven_email=address)
        organization = Organization.objects.get(slug="drill")
        rules.ship(organization)
        wanted = Wanted(kind=AlertTarget.Kind.WEBHOOK, name="Ops", values={"url": self.web.url})
        target, _ = targets.create(organization=organization, wanted=wanted, actor=None)
        for rule in AlertRule.objects.filter(organization=organization):
            AlertStep.objects.create(rule=rule, target=target)
        soon, steps = timedelta(seconds=2), [Step(timedelta(), [target])]
        at_once = usual(
            "At once", Condition.STATUS, Severity.WARNING, delay=soon, hold=soon, gather=soon, steps=steps
        )
        rules.create(organization=organization, wanted=at_once, actor=None, at=clock.now())

    def told(self, since: datetime | None = None, until: datetime | None = None) -> set[str]:
        """The names of the devices that messages are about which were written in that time."""
        found = set()
        for call in self.web.calls:
            written = datetime.fromisoformat(call.json["time"])
            if (since is None or written >= since) and (until is None or written < until):
                found |= {device["name"] for device in call.json["data"].get("devices", ())}
        return found

    def findings(self, numbers: dict[str, int], outage: Any, window: timedelta) -> Iterator[Any]:
        """What was told, compared with what happened. `numbers`: of devices by group."""
        began, ended = outage.began_at, outage.ended_at
        names = {group: sorted(f"{group}-{n}" for n in range(number)) for group, number in numbers.items()}
        yield "devices told of before the outage", names["lost"], sorted(self.told(until=began))
        yield "devices told of in it, and a window later", [], sorted(self.told(began, ended + 2 * window))
        yield "devices told of after it", names["leave"], sorted(self.told(ended + 2 * window))
        long = ended - began > timedelta(seconds=60)
        mails = [str(mail["To"]) for mail in self.mail.mails]
        yield "notices to administrators of the site", long * ["mia@halden.example"], mails
