"""Do in one process all that a small site does in the background."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.management.commands import balena, settle, tell
from devices.worker.worker import asked_to_end, keep_working
from fleets.postgres.checks import at_start

Watch = Callable[[threading.Event], None]  # works until this is set, in a thread of its own


class Command(BaseCommand):
    help = (
        "Runs `settle --watch`, `tell --watch`, `balena sweep --watch` and `work` in one process, for a small"
        " site. Ctrl-C stops it."
    )

    def handle(self, *, verbosity: int, **options: Any) -> None:
        at_start()
        commands = [settle.Command(), tell.Command(), balena.Command()]
        for command in commands:
            command.quiet = verbosity == 0
        asyncio.run(run_together([command.watch for command in commands]))


async def run_together(watches: Sequence[Watch]) -> None:
    """The worker and these, until a signal asks to end. Where one ends by itself, all end.

    Raises what it ended by: then whoever started this process starts it again, with all of them.
    """
    ended, stopped = asked_to_end(), threading.Event()
    parts = [
        asyncio.create_task(ended.wait()),
        asyncio.create_task(keep_working(ended)),
        *(asyncio.create_task(asyncio.to_thread(watch, stopped)) for watch in watches),
    ]
    await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    ended.set()
    stopped.set()
    await asyncio.gather(*parts)
