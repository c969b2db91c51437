"""The newest devices that need attention, and how many rows it takes, whether few have stalled or many."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Final

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from devices.clock import listened
from devices.listing import branches, index_scan, newest_recorded, trouble
from devices.listing.among import Among
from devices.listing.filters import Filters, Tag
from devices.listing.trouble import Newest, read_trouble
from devices.models import Device, Heartbeat
from devices.rules.vocabulary import LAST_ATTENTION_RANK
from devices.status.reading import moved_ids, with_status
from fleets.models import Fleet, Organization
from tests.devices.listing.test_progressing import looked_at, updating
from tests.factories import T0, make_fleet, make_uuid

pytestmark = pytest.mark.django_db

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
AT: Final = listened(T0 + HOUR)
TAGS: Final[Sequence[dict[str, str]]] = ({}, {"site": "harbour"})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest five devices are shown, and one more is read."""
    monkeypatch.setattr(trouble, "LOOKED_AT", 5)
    monkeypatch.setattr(trouble, "SPARE", 0.2)


@pytest.fixture(params=[1, 3, 4000])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many devices are looked at first, and then twice as many."""
    monkeypatch.setattr(newest_recorded, "FEW", request.param)
    monkeypatch.setattr(index_scan, "SELDOM", request.param)
    monkeypatch.setattr(newest_recorded, "MORE", 2)


def some_device(random: Random, fleet: Fleet, progressing: float, stalled: float) -> Device:
    """A device in any state, of any age, often of that of others."""
    facts: dict[str, object] = {"vpn_connected": random.random() < 0.7}
    if random.random() < progressing:
        facts[random.choice(["update_progress", "provisioning_progress"])] = 40
        stopped, moves = T0 + random.randrange(30) * MINUTE, random.choice([None, AT.at - MINUTE])
        facts["progress_changed_at"] = stopped if random.random() < stalled else moves
    return Device(
        organization=fleet.organization,
        fleet=fleet,
        uuid=make_uuid(),
        created_at=T0,
        recorded_status_at=T0 + random.randrange(40) * MINUTE,
        is_active=True,
        activated_at=T0,
        heartbeat_state="recent",
        heartbeat_changed_at=T0,
        vpn_changed_at=T0,
        tags=random.choice(TAGS),
        **facts,
    )


def polled(device: Device, *, late: bool) -> Heartbeat:
    due = T0 + 2 * MINUTE if late else AT.at + HOUR
    return Heartbeat(
        device=device,
        organization_id=device.organization_id,
        last_poll_at=T0,
        poll_interval=900,
        late_at=due,
        lost_at=due + MINUTE,
        due_at=due,
    )


def some_site(random: Random, *, late: float = 0) -> list[Fleet]:
    """Two organizations with two fleets each, and devices of any mixture; so many polled too late."""
    owners = [make_fleet().organization for _ in range(2)]
    fleets = [make_fleet(owner) for owner in owners for _ in range(2)]
    progressing, stalled = random.choice([0.3, 0.9]), random.choice([0, 0.1, 0.5, 0.9, 1])
    made = [some_device(random, random.choice(fleets), progressing, stalled) for _ in range(60)]
    devices = Device.objects.bulk_create(made)
    Heartbeat.objects.bulk_create(polled(device, late=random.random() < late) for device in devices)
    return fleets


def scopes(fleets: Sequence[Fleet]) -> list[Among]:
    everybody = list(Organization.objects.order_by("pk"))
    return [
        Among(everybody),
        Among(everybody[:1]),
        Among(everybody, Filters(fleets=tuple(fleets[1:3]))),
        Among(everybody, Filters(tags=(Tag("site", "harbour"),))),
    ]


def attending(among: Among) -> list[int]:
    """The ids of all devices in scope that need attention, one by one by what they are, the newest first."""
    devices = [one for one in with_status(among.devices, AT) if one.rank <= LAST_ATTENTION_RANK]
    return [one.pk for one in sorted(devices, key=lambda one: (one.status_since, one.pk), reverse=True)]


def agrees(read: Newest, among: Among) -> None:
    expected, found = attending(among), [lost.id for lost in (*read.lost, *read.spare)]
    assert found == expected[: len(found)]
    assert len(read.lost) == min(len(expected), trouble.LOOKED_AT)
    assert (read.floor is None) <= (len(found) == len(expected))


@pytest.mark.usefixtures("small", "few")
@pytest.mark.parametrize("seed", range(4))
def test_the_newest_are_those_of_all_that_need_attention(seed: int) -> None:
    random = Random(seed)
    fleets = some_site(random)
    for among in scopes(fleets):
        known = read_trouble(among, AT, [])
        agrees(known, among)
        for _ in range(4):
            with transaction.atomic():  # a row's version is the transaction that wrote it
                changed = random.sample(list(Device.objects.values_list("pk", flat=True)), 2)
                Device.objects.filter(pk__in=changed).update(
                    update_progress=random.choice([None, 70]),
                    progress_changed_at=random.choice([None, T0, AT.at]),
                    recorded_status_at=T0 + random.randrange(50) * MINUTE,
                )
            known = read_trouble(among, AT, [], known)
            agrees(known, among)


@pytest.mark.usefixtures("small", "few")
@pytest.mark.parametrize("seed", range(4))
def test_those_that_moved_are_among_them_as_they_are(seed: int) -> None:
    fleets = some_site(Random(seed), late=0.3)
    moved = [*moved_ids(AT)]
    assert moved
    for among in scopes(fleets):
        agrees(read_trouble(among, AT, moved), among)


@pytest.mark.usefixtures("small", "few")
@pytest.mark.parametrize("seed", range(4))
def test_the_number_of_stalled_ones_is_right_where_it_is_told(seed: int) -> None:
    fleets = some_site(Random(seed))
    for among in scopes(fleets):
        stalled = sum(one.stalled for one in with_status(among.devices, AT))
        assert read_trouble(among, AT, []).stalled in (None, stalled)


def test_a_row_that_is_written_between_two_statements_is_read_as_it_then_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    organization = updating(9, 4)
    among, read_rows = Among([organization]), trouble._written
    known = read_trouble(among, AT, [])
    first, second = (lost.id for lost in known.lost[:2])
    write(first, name="renamed")
    write(second, name="renamed")

    def written_meanwhile(*args: object) -> object:
        write(first, name="renamed again")
        write(second, is_active=False)
        return read_rows(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(trouble, "_written", written_meanwhile)
    again = read_trouble(among, AT, [], known)
    assert [lost.name for lost in again.lost] == ["renamed again", "", ""]
    monkeypatch.undo()
    agrees(read_trouble(among, AT, [], again), among)


def write(pk: int, **fields: object) -> None:
    with transaction.atomic():
        Device.objects.filter(pk=pk).update(**fields)


def rows_looked_at(among: Among, known: Newest | None = None) -> int:
    with CaptureQueriesContext(connection) as queries:
        read_trouble(among, AT, [], known)
    found = (query["sql"] for query in queries)
    return sum(looked_at(sql) for sql in found if not sql.startswith("EXPLAIN"))


@pytest.mark.thorough
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("stalled", [0, 1, 20, 60, 940, 980, 999, 1000])
def test_few_rows_are_looked_at_however_many_have_stalled(
    monkeypatch: pytest.MonkeyPatch, stalled: int
) -> None:
    """Those that stalled are the oldest: all are looked at, or all that make progress are passed over."""
    monkeypatch.setattr(newest_recorded, "FEW", 20)
    monkeypatch.setattr(newest_recorded, "MORE", 2)
    among = Among([updating(1000, stalled)])
    known = read_trouble(among, AT, [])
    assert len(known.lost) == min(stalled, 5)
    assert rows_looked_at(among) < 60 + 8 * min(stalled, 1000 - stalled)
    assert rows_looked_at(among, known) < 60 + 8 * min(stalled, 1000 - stalled)


@pytest.mark.thorough
@pytest.mark.usefixtures("small")
def test_no_more_rows_are_looked_at_where_more_have_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest_recorded, "FEW", 20)
    assert rows_looked_at(Among([updating(3000, 3000)])) < 60


@pytest.mark.thorough
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("stalled", [0, 3, 997, 1000])
def test_with_a_filter_few_rows_are_looked_at_as_well(monkeypatch: pytest.MonkeyPatch, stalled: int) -> None:
    monkeypatch.setattr(index_scan, "SELDOM", 10)
    monkeypatch.setattr(branches, "FEW", 10)
    organization = updating(1000, stalled)
    Device.objects.update(tags=TAGS[1])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE devices_device, devices_description")
    harbour = Among([organization], Filters(tags=(Tag("site", "harbour"),)))
    agrees(read_trouble(harbour, AT, []), harbour)
    assert rows_looked_at(harbour) < 100
