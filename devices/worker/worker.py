"""The worker: runs jobs and delivers messages, and starts again what a worker that died has left.

Jobs and deliveries have workers of their own in this process, so that neither waits for the other. Each waits
by LISTEN, past any PgBouncer, and records a life sign every few seconds. A worker without a
recent sign is taken for dead, and its job is enqueued again by the worker that notices first.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError
from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy
from procrastinate.contrib.django import DjangoApp
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status
from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg_pool import AsyncConnectionPool

from devices import clock, jobs
from devices.alerts import delivery, handing, outages, unreachable, verifying
from devices.integrity import nightly
from devices.jobs import runner
from devices.models import Job
from devices.worker.registry import KINDS
from fleets.postgres import availability

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

SIGN: Final = 3.0  # seconds between two life signs of a worker
DEAD: Final = 10.0  # seconds without a life sign, after which a worker is taken for dead
LOOK: Final = 5.0  # seconds between two searches for jobs whose worker died
GRACE: Final = 4.0  # seconds that a running job has to end by itself when the worker is asked to end
PAUSE: Final = 2.0  # seconds until another attempt to reach the database
LONGEST_WAIT: Final = 60.0  # seconds of sleep until the database sends something
DELIVERIES: Final = 16  # targets that are sent messages at once
SPARE_THREADS: Final = 6  # for what else this process does in threads
# Seconds between two looks into a queue where no NOTIFY tells of anything: only what is scheduled for later.
LOOK_INTO_JOBS: Final = 20.0
LOOK_INTO_DELIVERIES: Final = 5.0
JOBS_QUEUE: Final = "default"  # procrastinate's name for the queue of what names no other
TELLING_PEOPLE: Final = RetryStrategy(max_attempts=10, exponential_wait=5)  # 5 s, 25 s, 2 min, ...
NIGHTLY: Final = "17 2 * * *"  # UTC; made up for by a worker that starts within 10 minutes
VERIFY_JOB: Final = "devices.verify"
AWAY: Final = (ConnectorException, DatabaseError)


async def work(*, side_by_side: int = 2) -> None:
    """Run jobs, `side_by_side` at once, until a signal asks to end. Waits for a database that is away."""
    await keep_working(asked_to_end(), side_by_side=side_by_side)


def asked_to_end() -> asyncio.Event:
    """An event that is set once a signal asks this process to end.

    Call it in the main thread's event loop.
    """
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    return ended


async def keep_working(ended: asyncio.Event, *, side_by_side: int = 2) -> None:
    """Run jobs, `side_by_side` at once, until `ended` is set. Waits for a database that is away."""
    threads = ThreadPoolExecutor(side_by_side + DELIVERIES + SPARE_THREADS)
    asyncio.get_running_loop().set_default_executor(threads)
    while not ended.is_set():
        try:
            await work_until(ended, side_by_side)
        except AWAY as error:
            logger.warning("waiting for the database: %s", error)
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), PAUSE)


async def work_until(ended: asyncio.Event, side_by_side: int) -> None:
    """Run jobs, `side_by_side` at once, and deliver messages, until `ended` is set.

    Raises one of AWAY where the database goes away.
    """
    app = an_app()
    async with app.open_async():
        workers = [
            asyncio.create_task(take_from(app, JOBS_QUEUE, side_by_side, LOOK_INTO_JOBS)),
            asyncio.create_task(take_from(app, handing.QUEUE, DELIVERIES, LOOK_INTO_DELIVERIES)),
            asyncio.create_task(rescue(app)),
            asyncio.create_task(ended.wait()),
        ]
        await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
        for task in reversed(workers):
            task.cancel()
        for result in await asyncio.gather(*workers, return_exceptions=True):
            if isinstance(result, AWAY):
                raise result


async def take_from(app: App, queue: str, at_once: int, look: float) -> None:
    """Run what is in this queue, so many at once, until cancelled; `look`: seconds between two looks."""
    await app.run_worker_async(
        queues=[queue],
        name=queue,
        concurrency=at_once,
        fetch_job_polling_interval=look,
        abort_job_polling_interval=LONGEST_WAIT,  # our own rows say what people cancelled
        delete_jobs="always",  # our own rows are the record
        shutdown_graceful_timeout=GRACE,
        update_heartbeat_interval=SIGN,
        stalled_worker_timeout=DEAD,
        install_signal_handlers=False,
    )


def an_app() -> App:
    """The procrastinate app with its tasks: jobs, the nightly integrity checks, and deliveries."""
    conninfo = settings.DATABASE_DIRECT_URL
    app = DjangoApp(
        connector=PsycopgConnector(
            conninfo=conninfo,
            min_size=1,
            max_size=6,
            connection_class=Connection,
            configure=by_itself,
            pool_factory=pool,
        )
    )
    app.task(name=jobs.TASK, pass_context=True)(do)
    app.task(name=handing.TASK, pass_context=True)(deliver)
    app.task(name=unreachable.TASK, retry=TELLING_PEOPLE)(tell_owners)
    app.task(name=outages.TASK, retry=TELLING_PEOPLE)(tell_administrators)
    app.periodic(cron=NIGHTLY)(app.task(name=VERIFY_JOB, lock=VERIFY_JOB)(verify))
    return app


class Connection(AsyncConnection[Any]):
    """A connection that sleeps until the database sends something.

    By itself psycopg wakes up ten times a second to notice interrupts, which asyncio delivers anyway.
    """

    async def wait(
        self,
        gen: PQGen[Result],
        interval: float = LONGEST_WAIT,
        timeout: float | None = None,  # noqa: ASYNC109 - psycopg's signature
    ) -> Result:
        return await super().wait(gen, interval, timeout)


def pool(**options: Any) -> AsyncConnectionPool[Any]:
    """The pool that procrastinate asks for, which looks for connections that ended without a query."""
    return AsyncConnectionPool(**options | {"check": check_open})


async def check_open(connection: AsyncConnection[Any]) -> None:
    """Raise psycopg.OperationalError if the server or the network has ended the connection.

    Without a round trip, as procrastinate takes a connection for each of the many questions that it asks
    while nothing happens. What breaks unnoticed raises in the query.
    """
    for _ in range(2):  # the first may read the server's last words
        connection.pgconn.consume_input()


async def by_itself(connection: AsyncConnection[Any]) -> None:
    """Configure a connection to commit each statement: procrastinate has no transactions of several."""
    await connection.set_autocommit(True)


def do(context: JobContext, job: str) -> None:
    """Run the job with this UUID."""
    with availability.connected():
        runner.run(UUID(job), kinds=KINDS, stopping=context.should_abort)


def deliver(context: JobContext, target: int) -> None:
    """Send what is due to the target with this primary key, and have it looked at again when more is."""
    with availability.connected():
        again_at = delivery.deliver(target, stopping=context.should_abort)
        if again_at is not None:
            handing.wake([target], again_at)


def tell_owners(target: int) -> None:
    """Tell the owners of its organization that the target with this primary key cannot be reached."""
    with availability.connected():
        unreachable.tell(target)


def tell_administrators(outage: int) -> None:
    """Tell the administrators of the site of the outage with this primary key."""
    with availability.connected():
        outages.tell(outage)


def verify(timestamp: int) -> None:
    """Run the integrity checks; of several workers one is given the task of that time."""
    with availability.connected():
        nightly.verify()
        verifying.repair(clock.now())


async def rescue(app: App) -> None:
    """Enqueue jobs again that no worker runs any more, every LOOK seconds until cancelled."""
    while True:
        if (await app.connector.execute_query_one_async(UNDER_WAY, dead=DEAD))["any"]:
            await rescue_once(app)
        await asyncio.sleep(LOOK)


async def rescue_once(app: App) -> None:
    """Enqueue the jobs again whose worker is dead, or that the queue has lost."""
    await app.job_manager.prune_stalled_workers(DEAD)
    for stalled in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD):
        if stalled.task_name == handing.TASK:  # its messages say whether there is anything left to do
            await app.job_manager.finish_job(stalled, Status.FAILED, delete_job=True)
            continue
        logger.warning("job %s: its worker died, so it is started again", stalled.task_kwargs.get("job"))
        await app.job_manager.retry_job(stalled)
    await sync_to_async(hand_over_lost, thread_sensitive=False)()


def hand_over_lost() -> None:
    """Enqueue the jobs again that have not ended and are not in the queue: a worker broke before it could.

    So with the targets that have something to be sent.
    """
    with availability.connected():
        for job in Job.objects.raw(LOST):
            jobs.hand_over(job)
        handing.hand_over_lost(clock.now())


# Whether there is anything to rescue, as a rule not: jobs under way, or a worker that died.
UNDER_WAY: Final = """
SELECT EXISTS (SELECT FROM procrastinate_jobs)
    OR EXISTS (SELECT FROM procrastinate_workers
               WHERE last_heartbeat < now() - make_interval(secs => %(dead)s))
    OR EXISTS (SELECT FROM devices_job WHERE state IN ('waiting', 'running'))
    OR EXISTS (SELECT FROM devices_alertmessage WHERE outcome = '')
    OR EXISTS (SELECT FROM devices_alerttarget WHERE kind = 'alertmanager') AS "any"
"""
LOST: Final = """
SELECT * FROM devices_job j WHERE j.state IN ('waiting', 'running')
AND NOT EXISTS (SELECT FROM procrastinate_jobs p WHERE p.args ->> 'job' = j.uuid::text)
"""
