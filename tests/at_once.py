"""Calls made at the same moment, or while another is under way, each on a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, connections, transaction

WAIT = 20  # seconds until a test that hangs gives up


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run each call in a thread at the same moment; what they returned or raised, in their order."""
    start = threading.Barrier(len(calls))
    results: list[object] = [None] * len(calls)

    def run(number: int, call: Callable[[], object]) -> None:
        try:
            start.wait(WAIT)
            results[number] = call()
        except Exception as error:  # noqa: BLE001 - handed to the test
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()
    return results


@contextmanager
def held_open(write: Callable[[], object]) -> Iterator[None]:
    """Run `write` in a transaction of its own connection, which is committed after the block."""
    written, commit = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with transaction.atomic():
                write()
                written.set()
                commit.wait(WAIT)
        except BaseException as error:  # noqa: BLE001  told to the test's own thread
            failures.append(error)
            written.set()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    assert written.wait(WAIT)
    try:
        yield
    finally:
        commit.set()
        thread.join(WAIT)
    assert not failures


def in_background(write: Callable[[], object]) -> threading.Thread:
    """Run `write` in a thread, and return the thread once it waits for a lock of the database."""

    def run() -> None:
        try:
            write()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    wait_until_blocked(thread)
    return thread


def wait_until_blocked(thread: threading.Thread) -> None:
    while thread.is_alive():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN"
                " (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
            )
            if cursor.fetchone()[0]:
                return
