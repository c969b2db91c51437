"""Whatever is killed, and whenever: what was decided is told, in order, and twice only where it must be.

A run has 40 kills in 60 incidents; KILLS=200 INCIDENTS=300 in the environment takes as many, which takes ten
minutes.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.devices.alerts.mail_server import MailServer, mail_server
from tests.devices.alerts.receivers import Call, Reply, WebReceiver, web_receiver
from tests.system.alert_load import ENOUGH, MAKE, Load
from tests.system.alert_site import AlertSite, free_port
from tests.system.forks import Forks, forks

KILLS: Final = int(os.environ.get("KILLS", "40"))
APART: Final = 12  # steps, messages included, between two kills at most
PAUSE: Final = 0.3  # seconds, at most, that a kill comes after a step
SHARES: Final = {"teller": 8, "worker": 7, "ingest": 4, "database": 1}
PATIENCE: Final = 60.0  # seconds until everything has ended, once nothing is killed any more
MESSAGES: Final = """
SELECT message.uuid::text, incident.uuid::text, target.id, target.kind, message.number, message.kind,
       message.outcome
FROM devices_alertmessage message
JOIN devices_incident incident ON incident.id = message.incident_id
JOIN devices_alerttarget target ON target.id = message.target_id
ORDER BY incident.id, target.id, message.number
"""


@dataclass(frozen=True)
class Message:
    """A message as it is recorded; `way` is the kind of its target."""

    uuid: str
    incident: str
    target: int
    way: str
    number: int
    kind: str
    outcome: str

    @property
    def id(self) -> str:
        """What its receiver knows it by."""
        if self.way == "webhook":
            return self.uuid
        return f"<{self.incident}.{self.number}.{self.target}@lookout.example>"


class Killer:
    """Kills a process at random moments, some workers just as a receiver has accepted a message.

    `steps` counts what happens, so that a slow machine has as many kills in as many incidents.
    """

    def __init__(
        self,
        site: AlertSite,
        forks: Forks,
        web: WebReceiver,
        chance: random.Random,
        steps: Callable[[], int],
    ) -> None:
        self.kills, self._steps = Counter[str](), steps
        self._site, self._forks, self._random = site, forks, chance
        self._running = {part: forks.start(part) for part in ("teller", "worker", "ingest")}
        self._aimed = threading.Event()
        web.answer = self._answer

    def run(self) -> None:
        while self.kills.total() < KILLS:
            self._wait()
            (part,) = self._random.choices(list(SHARES), [*SHARES.values()])
            if part == "worker" and self._random.random() < 0.3:
                self._aimed.set()
                continue
            self._kill(part)

    def _wait(self) -> None:
        until = self._steps() + self._random.randint(1, APART)
        while self._steps() < until:
            time.sleep(0.05)
        time.sleep(self._random.uniform(0, PAUSE))

    def _answer(self, call: Call) -> Reply:
        if self._aimed.is_set():
            self._aimed.clear()
            self._kill("worker")
        return Reply()

    def _kill(self, part: str) -> None:
        if part == "database":
            file = self._site.state / "postgres/data/postmaster.pid"
            if not (said := file.read_text().splitlines() if file.exists() else []):
                return  # it is being started
            _kill(int(said[0]))
        else:
            _kill(self._running[part])
            self._running[part] = self._forks.start(part)
        self.kills[part] += 1


def _kill(process: int) -> None:
    with suppress(ProcessLookupError):  # it could not work without the database, and ended
        os.kill(process, signal.SIGKILL)


def test_what_was_decided_is_told_whatever_is_killed(state: Path) -> None:
    seed = random.randrange(2**32)
    sys.stderr.write(f"seed {seed}\n")
    with web_receiver() as web, mail_server() as mail:
        site = AlertSite(state, web.port, mail.port, free_port())
        made = site.make(MAKE, str(web.port))
        with forks(site.environment, site.port, state / "alerts.log") as some:
            load = Load(site, made, random.Random(seed))
            chance = random.Random(seed + 1)
            killer = Killer(site, some, web, chance, lambda: load.steps + len(web.calls) + len(mail.mails))
            thread = threading.Thread(target=killer.run, daemon=True)
            load.goes_on = thread.is_alive
            thread.start()
            load.run()
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the incidents ended before the kills"
            wait_until_all_has_ended(site)
    sys.stderr.write(f"{load.begun} incidents, killed {dict(killer.kills)}\n")
    assert load.begun >= ENOUGH
    assert killer.kills.total() >= KILLS
    hold(site, web, mail, killer.kills)


def wait_until_all_has_ended(site: AlertSite) -> None:
    began = time.monotonic()
    while site.ask("SELECT 1 FROM devices_alertmessage WHERE outcome = '' LIMIT 1"):
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.2)


def hold(site: AlertSite, web: WebReceiver, mail: MailServer, kills: Counter[str]) -> None:
    """What section 6 of the design guarantees, G1 to G5, of what the receivers got and the database has."""
    told = defaultdict[tuple[str, int], list[Message]](list)
    for row in site.ask(MESSAGES):
        message = Message(*row)
        told[message.incident, message.target].append(message)
    incidents = {incident for (incident,) in site.ask("SELECT uuid::text FROM devices_incident")}
    assert incidents == {incident for incident, _ in told}
    for messages in told.values():
        assert [message.number for message in messages] == [*range(1, len(messages) + 1)]
        kinds = [message.kind for message in messages]
        assert (kinds[0], kinds[-1], kinds.count("first"), kinds.count("resolved")) == (
            "first",
            "resolved",
            1,
            1,
        )
        assert {message.outcome for message in messages[:-1]} <= {"accepted", "superseded"}
        assert messages[-1].outcome == "accepted"
    assert not site.ask("SELECT 1 FROM devices_told WHERE state <> 'resolved'")
    arrived = [call.headers["webhook-id"] for call in web.calls]
    arrived += [str(one["Message-ID"]) for one in mail.mails]
    of_id = {message.id: message for messages in told.values() for message in messages}
    assert {*arrived} >= {message.id for message in of_id.values() if message.outcome == "accepted"}
    assert {*arrived} <= of_id.keys()
    again = Counter(arrived) - Counter({*arrived})
    assert again.total() <= kills.total()
    of_target = Counter[int]()
    for one, number in again.items():
        of_target[of_id[one].target] += number
    assert max(of_target.values(), default=0) <= kills["worker"] + kills["database"]  # one for each death
    order = defaultdict[tuple[str, int], list[int]](list)
    for message in map(of_id.__getitem__, arrived):
        order[message.incident, message.target].append(message.number)
    assert all(numbers == sorted(numbers) for numbers in order.values())
