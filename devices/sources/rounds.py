"""Rounds of sweeping: each source that is due is swept, each beside the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from django.db import Error, connection

from devices import clock
from devices.models import Source
from devices.sources.sweep import Outcome, due_at, note_failure, sweep

logger = logging.getLogger(__name__)

AT_ONCE = 4  # sources that are swept at the same time, so that a slow one does not hold up the others
OUR_FAULT = "Lookout failed to write what it had read. Its log says why."


class Rounds:
    """The sweeps of this process that are under way, by source."""

    def __init__(self, said: Callable[[str], None]) -> None:
        self._said = said
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sweep")
        self._running: dict[int, Future[None]] = {}

    def run(self, at: datetime) -> bool:
        """Begin the sweeps that are due at `at`, without waiting for them; returns whether there is a source.

        Raises django.db.Error.
        """
        self._running = {pk: future for pk, future in self._running.items() if not future.done()}
        sources = list(Source.objects.select_related("organization"))
        for source in sources:
            due = due_at(source)
            if source.pk not in self._running and (due is None or due <= at):
                self._running[source.pk] = self._pool.submit(self._sweep, source)
        return bool(sources)

    def finish(self) -> None:
        """Wait for the sweeps that are under way."""
        self._pool.shutdown(cancel_futures=True)

    def _sweep(self, source: Source) -> None:
        try:
            self._said(told(source, sweep(source)))
        except Error as error:  # the database went away, or another fault of ours
            logger.warning("the sweep of %s was not written: %s", source, error)
        except Exception as error:
            logger.exception("the sweep of %s failed", source)
            note_failure(source, RuntimeError(OUR_FAULT), clock.now())
            self._said(f"{source}: {error}")
        finally:
            connection.close()  # this thread's own


def told(source: Source, outcome: Outcome) -> str:
    """What became of a sweep, as a line for the console."""
    if outcome.error:
        return f"{source}: {outcome.error}"
    written = outcome.written
    if written is None:
        return f"{source}: another process swept it meanwhile"
    kind = "whole" if outcome.whole else "quick"
    return (
        f"{source}: {kind} sweep, {written.created} created, {written.changed} changed,"
        f" {written.moved} moved, {written.deleted} deleted, {len(written.refused)} refused"
    )
