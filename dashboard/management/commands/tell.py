"""The command `tell`: run rounds of the teller, which turns signals into incidents and messages."""

import threading
import time
from datetime import datetime
from typing import Any

from dashboard.management.watching import WatchCommand
from dashboard.server.service_manager import ALIVE, READY, notify
from devices import clock
from devices.alerts import rules
from devices.alerts.rounds import run_round
from devices.alerts.watchdog import Watchdog
from devices.connectivity.ingest_processes import ask_for_signs
from fleets.postgres.leader import TELLING, Leader
from fleets.postgres.listener import LISTENER

PAUSE = 0.8  # seconds after a round, at least, until the ingest is asked for a liveness sign
ANSWER = 0.2  # seconds from then until the next round: the sign is there by then
LONGEST_PAUSE = 10.0  # seconds, where nothing is known to happen earlier
END_CHECK = 0.5  # seconds between two checks whether to end
SHIPPING = 60.0  # seconds between two searches for organizations without the rules of the product


class Command(WatchCommand):
    help = "Writes what alert rules have to tell. Pages and devices do not need it."
    ship_at = 0.0  # of the monotonic clock

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.watchdog = Watchdog()

    def once(self) -> None:
        run_round(whole=True)

    def watch(self, stopped: threading.Event) -> None:
        """Run rounds until `stopped` is set. Of several processes one leads, and the others wait."""
        leader, led, news = Leader(TELLING), False, threading.Event()
        LISTENER.subscribe(lambda _: news.set())
        LISTENER.start()
        notify(READY)
        while not stopped.is_set():
            news.clear()
            pause = self.run_if_leading(leader, new=not led)
            led = pause is not None
            notify(
                ALIVE
            )  # whether it leads, and whether the database answers: starting again helps with neither
            _wait(stopped, news, PAUSE if pause is None else pause)
            if pause is not None and (news.is_set() or pause < LONGEST_PAUSE):
                self.ask(leader)
            stopped.wait(ANSWER)
        leader.resign()

    def ask(self, leader: Leader) -> None:
        """Have the ingest leave a liveness sign, up to which the next round decides."""
        with self.waiting_for_database(leader):
            ask_for_signs()

    def run_if_leading(self, leader: Leader, *, new: bool) -> float | None:
        """Run one round if this process leads, and return the seconds until the next one.

        None if it does not lead, or if the database is away. `new`: it did not lead before, so the round
        compares the members of all rules with devices.
        """
        seconds = None
        with self.waiting_for_database(leader):
            if leader.leads():
                seconds = self.tell_once(new=new)
        return seconds

    def tell_once(self, *, new: bool) -> float:
        """One round; returns the seconds until the next one."""
        if new:
            self.say("this process now tells of incidents")
        if time.monotonic() >= self.ship_at:
            rules.ship_missing()
            self.ship_at = time.monotonic() + SHIPPING
        due, now = run_round(whole=new), clock.now()
        self.watchdog.look(now)
        return pause(due, now)


def pause(due: datetime | None, now: datetime) -> float:
    """Seconds until the next round if something is due at `due`, and no change is announced earlier."""
    if due is None:
        return LONGEST_PAUSE
    return min(LONGEST_PAUSE, max(PAUSE, (due - now).total_seconds()))


def _wait(stopped: threading.Event, news: threading.Event, longest: float) -> None:
    """Wait for PAUSE, and then until `news` is set, `longest` seconds are over or `stopped` is set."""
    stopped.wait(PAUSE)
    until = time.monotonic() + longest - PAUSE
    while not (stopped.is_set() or news.is_set()) and (left := until - time.monotonic()) > 0:
        news.wait(min(END_CHECK, left))
