"""Many registrations of one organization at once: a few transactions, and each its own answer."""

from __future__ import annotations

from functools import partial

from devices import clock, keys
from devices.models import ApiKey, Device
from fleets.models import AuditEntry
from tests.devices.ingest import raw
from tests.devices.ingest.world import World

TOGETHER = 30
FAIL = "RAISE EXCEPTION 'no row'"
DEADLOCK = "RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'"


def transactions() -> int:
    """By how many transactions devices were registered."""
    registered = Device.objects.filter(provisioned_by__isnull=False)
    return registered.values("created_at").distinct().count()


def test_registrations_in_flight_share_transactions_and_each_is_answered_its_own_key(world: World) -> None:
    calls = [
        partial(raw.register, key=world.provisioning_key, body={"name": f"d-{n}"}) for n in range(TOGETHER)
    ]
    answers = raw.all_of(*calls)
    assert [answer.status for answer in answers] == [201] * TOGETHER
    assert transactions() <= 2
    made = {answer.json["uuid"]: answer.json["key"] for answer in answers}
    assert len(made) == TOGETHER
    holders = keys.find_devices(list(made.values()), clock.now())
    assert {holder.uuid: key for key, holder in holders.items()} == made
    assert ApiKey.objects.get(kind="provisioning", fleet=world.fleet).registered == TOGETHER
    lines = AuditEntry.objects.filter(action="device-registered")
    assert [line.address for line in lines] == ["198.51.100.1"] * TOGETHER


def test_those_that_are_refused_take_nobody_with_them(world: World) -> None:
    bodies = [{}, {"uuid": world.device.uuid}, {"uuid": "short"}, {"uuid": "c" * 32}, {"uuid": "c" * 32}, {}]
    calls = [partial(raw.register, key=world.provisioning_key, body=body) for body in bodies]
    answers = raw.all_of(*calls, partial(raw.register, key="lko_p_unknown", body={}))
    assert [answer.status for answer in answers] == [201, 409, 400, 201, 409, 201, 401]
    assert Device.objects.filter(provisioned_by__isnull=False).count() == 3
    assert ApiKey.objects.get(kind="provisioning", fleet=world.fleet).registered == 3


def test_registrations_of_several_organizations_share_transactions(world: World) -> None:
    theirs = keys.new_provisioning_key(world.stranger.fleet)
    calls = [partial(raw.register, key=key, body={}) for key in (theirs, world.provisioning_key) * 5]
    answers = raw.all_of(*calls)
    assert [answer.status for answer in answers] == [201] * 10
    assert transactions() <= 2
    assert Device.objects.filter(organization=world.organization, provisioned_by__isnull=False).count() == 5


def test_a_deadlock_is_tried_again_and_an_error_of_one_stays_its_own(world: World) -> None:
    calls = [partial(raw.register, key=world.provisioning_key, body={"uuid": f"{n:032x}"}) for n in range(5)]
    with raw.trouble("devices_device", f"{2:032x}", DEADLOCK, times=1):
        assert [answer.status for answer in raw.all_of(*calls)] == [201] * 5
    calls = [
        partial(raw.register, key=world.provisioning_key, body={"uuid": f"{n:032x}"}) for n in range(5, 10)
    ]
    with raw.trouble("devices_device", f"{7:032x}", FAIL):
        assert [answer.status for answer in raw.all_of(*calls)] == [201, 201, 500, 201, 201]
