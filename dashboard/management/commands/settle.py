"""The command `settle`: record the deadlines of heartbeats and leases that have passed, and clean up."""

import threading
import time
from datetime import datetime, timedelta

from dashboard.account import sessions
from dashboard.management.watching import WatchCommand
from devices import clock, connectivity, jobs, keys, words
from devices.background import preregistration
from devices.clock import Moment
from devices.clock.own import OwnClock
from devices.clock.trusted import trusted
from devices.connectivity import deadlines, outages, vpn_leases
from devices.connectivity.deadlines import Backlog
from devices.history import retention, rollups
from devices.operations import bulk_actions, key_handout
from fleets.postgres.leader import SETTLING, Leader

DAY = 24 * 3600.0  # seconds between two cleanings
PAUSE = 1.0  # seconds between two rounds: by so much the history may lag, but never what pages show
LONGEST_PAUSE = 10.0  # seconds between two rounds if no deadline passes earlier; new ones lie 15 s ahead
LOGGED_LAG = timedelta(seconds=10)  # a greater lag of the history is logged


class Command(WatchCommand):
    help = "Records deadlines that have passed. Pages are exact without it, but it writes the history."
    own = OwnClock()
    pause = PAUSE  # seconds until the next round
    clean_at = 0.0  # seconds of the monotonic clock
    rolled_up: datetime | None = None  # the hour up to which rollups are written

    def once(self) -> None:
        self.stdout.write(changes(connectivity.settle()))

    def watch(self, stopped: threading.Event) -> None:
        """Run rounds until `stopped` is set. Of several processes one leads, and the others wait."""
        leader, led = Leader(SETTLING), False
        while not stopped.is_set():
            leads = self.run_if_leading(leader)
            if leads and not led:
                self.say("this process now records deadlines")
            led = leads
            stopped.wait(self.pause if leads else PAUSE)
        leader.resign()

    def run_if_leading(self, leader: Leader) -> bool:
        """Run one round if this process leads, and return whether it does.

        If the database is away, it resigns and returns False: deadlines are recorded once it is back.
        """
        with self.waiting_for_database(leader):
            if leader.leads():
                self.settle_once()
                return True
        return False

    def settle_once(self) -> None:
        """One round: record passed deadlines; each hour write rollups, and each day clean up."""
        outages.notice(self.own)
        at = clock.moment()
        backlog = deadlines.backlog(at)
        if backlog.behind is not None and (recorded := connectivity.settle(at)):
            late = words.duration(backlog.behind, precise=True)
            self.say(
                f"{changes(recorded)}, {late} behind" if backlog.behind > LOGGED_LAG else changes(recorded)
            )
        self.pause = pause(backlog, at)
        if (hour := rollups.certain(at)) != self.rolled_up:
            rollups.keep(at)
            key_handout.forget(at.at)
            self.rolled_up = hour
        if time.monotonic() >= self.clean_at:
            self.clean(clock.moment())
            self.clean_at = time.monotonic() + DAY

    def clean(self, at: Moment) -> None:
        """Delete what is no longer needed, and create the tables for the next months of the histories."""
        before = trusted(at)
        sessions.clear(before)
        keys.forget_former(before)
        preregistration.forget_unconfirmed(before)
        bulk_actions.forget(before)
        jobs.forget(before)
        vpn_leases.forget(before)
        for name in retention.keep(at):
            self.say(f"history: created or dropped {name}")


def pause(backlog: Backlog, at: Moment) -> float:
    """Seconds from a round at `at`, which found this backlog, until the next one."""
    if backlog.behind is not None:
        return PAUSE  # what was recorded may have another deadline soon
    if backlog.next_due is None:
        return LONGEST_PAUSE
    return min(LONGEST_PAUSE, max(PAUSE, (backlog.next_due - at.at).total_seconds()))


def changes(number: int) -> str:
    return "1 change recorded" if number == 1 else f"{number} changes recorded"
