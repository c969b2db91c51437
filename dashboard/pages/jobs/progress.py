"""The data of the page of a job: its progress, its outcome in words, and a result for each device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import Count

from devices.models import Job, JobResult
from devices.words import thousands
from fleets.text import isolated

ROWS: Final = 100  # results on a page
RECENT: Final = 50  # jobs in the list
WORST_FIRST: Final = (JobResult.Outcome.FAILED, JobResult.Outcome.SKIPPED, JobResult.Outcome.DONE)


@dataclass(frozen=True)
class Results:
    """A page of the results with one outcome, and the number of results by outcome."""

    counts: dict[JobResult.Outcome, int]
    outcome: JobResult.Outcome
    rows: list[JobResult]
    next: int | None  # the result after which the next page begins


def results(job: Job, wanted: str = "", after: int = 0) -> Results:
    """A page of the job's results after the one with primary key `after`.

    They have the outcome `wanted`, or the worst outcome that occurs if no result has that.
    """
    job_results = JobResult.objects.filter(job=job)
    found = dict(job_results.order_by().values_list("outcome").annotate(Count("pk")))
    counts = {outcome: found[outcome] for outcome in WORST_FIRST if outcome in found}
    outcome = next((count for count in counts if count == wanted), next(iter(counts), JobResult.Outcome.DONE))
    rows = list(job_results.filter(outcome=outcome, pk__gt=after).order_by("pk")[: ROWS + 1])
    return Results(counts, outcome, rows[:ROWS], rows[ROWS - 1].pk if len(rows) > ROWS else None)


def how_far(job: Job) -> str:
    """The progress in words, as "3 000 of 10 000"; "" before anything is counted."""
    if job.total is None:
        return thousands(job.done) if job.done else ""
    return f"{thousands(job.done)} of {thousands(job.total)}"


AGAIN: Final = "Its worker stopped before the job was done. Another worker started it again."
CONTINUED: Final = "Its worker stopped before the job was done. Another worker continues it."


def what_came(job: Job) -> str:
    """The sentences for the state of the job: what happened, and whether anything was changed."""
    kept = "Nothing was changed." if job.whole else "What was already done stays."
    if job.state == Job.State.WAITING:
        return "It starts as soon as a worker is free. An organization's jobs run one after another."
    if job.state == Job.State.CANCELLED:
        return f"{isolated(job.cancelled_by_name)} cancelled it. {kept}"
    if job.state == Job.State.FAILED:
        return f"{job.words} {kept}"
    if job.state == Job.State.RUNNING and job.cancel_at:
        return f"{isolated(job.cancelled_by_name)} asked it to stop."
    if job.state == Job.State.RUNNING and job.attempt > 1:
        return AGAIN if job.whole else CONTINUED
    return job.words
