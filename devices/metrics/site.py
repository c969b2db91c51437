"""The metrics of the whole site, read from the database: equal from whichever process answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, F, Max, Sum
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from devices import clock
from devices.clock import Moment
from devices.connectivity import deadlines
from devices.metrics import alerts
from devices.models import Device, Job, Listening, Outage, Source, Teller, Verification, VpnServer
from devices.rules.vocabulary import Status, always_attended
from devices.status import reading
from devices.status.counts import count_by_fleet, count_stalled
from fleets.models import Fleet
from fleets.postgres.snapshot import one_snapshot

FLEETS: Final = 1_000  # of an organization that have series of their own, the oldest; the others share OTHER
OTHER: Final = "other"
Metric = CounterMetricFamily | GaugeMetricFamily
Place = tuple[str, str]  # the slugs of an organization and of a fleet, as labels


def read(version: str) -> list[Metric]:
    """All metrics of the site at one moment, from one snapshot; `version` is that of this program."""
    with one_snapshot():
        at = clock.moment()
        build = gauge("lookout_build_info", "Always 1; the label has the version of this process.", "version")
        build.add_metric([version], 1)
        return [
            build,
            *_of_devices(at),
            *alerts.read(at),
            *_of_work(at),
            *_of_listening(at),
            _of_vpn_servers(at),
            _of_sources(at),
        ]


def gauge(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    """A gauge of this name, without a sample yet."""
    return GaugeMetricFamily(name, words, labels=labels)


def single(name: str, words: str, value: float) -> GaugeMetricFamily:
    """A gauge of this name with one sample, without labels."""
    return GaugeMetricFamily(name, words, value=value)


def _of_devices(at: Moment) -> Iterator[Metric]:
    devices = gauge(
        "lookout_devices", "Devices by organization, fleet and status.", "organization", "fleet", "status"
    )
    attention = gauge("lookout_attention", "Devices that need attention.", "organization", "fleet")
    for place, (counts, attended) in _fleets(at).items():
        for status in Status.values:
            devices.add_metric([*place, status], counts[status])
        attention.add_metric([*place], attended)
    yield from (devices, attention)


def _fleets(at: Moment) -> Mapping[Place, tuple[Mapping[str, int], int]]:
    """The number of devices by status, and of those that need attention, of each fleet. Four queries."""
    everything, moved = Device.objects.all(), reading.moved_ids(at)
    counted = count_by_fleet(everything, at, moved)
    stalled = count_stalled(everything, at, moved)
    found: dict[Place, tuple[Counter[str], int]] = {}
    for pk, place in _places().items():
        counts = Counter(counted.get(pk, {}))
        attended = always_attended(counts) + stalled[pk]
        before, attended_before = found.get(place, (Counter[str](), 0))
        before.update(counts)
        found[place] = before, attended_before + attended
    return found


def _places() -> dict[int, Place]:
    """The labels of each fleet by its id. An organization with more than FLEETS gets OTHER for the rest."""
    number = Counter[str]()
    places: dict[int, Place] = {}
    for pk, fleet, organization in Fleet.objects.order_by("pk").values_list(
        "pk", "slug", "organization__slug"
    ):
        number[organization] += 1
        places[pk] = (organization, fleet if number[organization] <= FLEETS else OTHER)
    return places


def _of_work(at: Moment) -> Iterator[Metric]:
    yield single(
        "lookout_settle_lag_seconds",
        "By how much the history is behind; pages are exact without it.",
        _seconds(deadlines.backlog(at).behind or timedelta()),
    )
    yield single(
        "lookout_teller_lag_seconds",
        "Seconds since the last round of the teller; +Inf if there was none.",
        _age(at.at, Teller.objects.aggregate(newest=Max("ended_at"))["newest"]),
    )
    states = Counter(dict(Job.objects.order_by().values_list("state").annotate(n=Count("*"))))
    jobs = gauge("lookout_jobs", "Background jobs that are kept, by state.", "state")
    for state in Job.State.values:
        jobs.add_metric([state], states[state])
    yield jobs
    for night in Verification.objects.order_by("-began_at")[:1]:
        yield single(
            "lookout_verification_differences",
            "Records that did not follow from the facts at the last nightly check; more than 0 is a bug.",
            night.found,
        )


def _of_listening(at: Moment) -> Iterator[Metric]:
    ledger = Listening.objects.first()
    listens = ledger is not None and not at.in_outage
    yield single("lookout_listening", "1 while Lookout listens to devices; 0 in an outage of ours.", listens)
    kept = Outage.objects.aggregate(sum=Sum(F("ended_at") - F("began_at")))
    outages = CounterMetricFamily(
        "lookout_outage_seconds", "Seconds of all outages of Lookout that are over."
    )
    forgotten = ledger.forgotten if ledger else timedelta()
    outages.add_metric([], _seconds(forgotten + (kept["sum"] or timedelta())))
    yield outages


def _of_vpn_servers(at: Moment) -> Metric:
    """VPN servers, each by the newest of its boots; the organization of a server of the site is empty."""
    rows: Any = VpnServer.objects.order_by().values_list("organization__slug", "name")
    newest = [
        (organization or "", lease) for organization, _, lease in rows.annotate(lease=Max("lease_until"))
    ]
    number = Counter((organization, _state(lease, at.heard)) for organization, lease in newest)
    found = gauge("lookout_vpn_servers", "VPN servers by whether they report.", "organization", "state")
    for organization in sorted({organization for organization, _ in newest}):
        for state in STATES:
            found.add_metric([organization, state], number[organization, state])
    return found


# Its lease lasts; its lease has ended; it has none, as it never sent a sign.
STATES: Final = ("reporting", "silent", "without-signs")


def _state(lease_until: datetime | None, heard: datetime) -> str:
    if lease_until is None:
        return "without-signs"
    return "reporting" if lease_until > heard else "silent"


def _of_sources(at: Moment) -> Metric:
    ages = gauge(
        "lookout_source_age_seconds",
        "Seconds since a source was last read, or since it was added.",
        *("organization", "source"),
    )
    rows = Source.objects.order_by("pk").values_list("organization__slug", "name", "swept_at", "created_at")
    for organization, name, swept_at, created_at in rows:
        ages.add_metric([organization, name], _age(at.at, swept_at or created_at))
    return ages


def _age(at: datetime, newest: datetime | None) -> float:
    return math.inf if newest is None else max(0.0, _seconds(at - newest))


def _seconds(span: timedelta) -> float:
    return span.total_seconds()
