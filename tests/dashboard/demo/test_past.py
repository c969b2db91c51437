"""The demo's devices have a past of some days, as the real services would have written it."""

from datetime import timedelta
from pathlib import Path

import pytest

from dashboard.demo import past as demo_past
from dashboard.demo import site as demo
from devices.integrity import checks as integrity
from devices.models import Device, StatusChange
from devices.rules.vocabulary import Status
from devices.simulator.keyfile import Ledger
from devices.simulator.run import Options, share_out
from devices.status.reading import with_status
from tests.factories import T0

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> demo.Account:
    monkeypatch.setattr(demo_past, "DEVICES", 12)  # as many as show all that happens
    return demo.make(tmp_path / "demo.json", T0)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "simulator.json"


def test_they_have_lived_for_days_and_are_well_now(account: demo.Account, state: Path) -> None:
    before = set(Device.objects.values_list("pk", flat=True))
    assert demo_past.make(account, state, T0) == 12
    made = Device.objects.exclude(pk__in=before)
    now = with_status(made, T0)
    assert set(now.values_list("status", flat=True)) == {Status.ONLINE}
    assert set(made.values_list("poll_interval", flat=True)) == {None}
    assert all(each.created_at < T0 - timedelta(days=7) for each in made)
    changes = StatusChange.objects.filter(device_id__in=made)
    told = {"post-provisioning", "online", "vpn-only", "heartbeat-only", "offline", "updating"}
    assert set(changes.values_list("after", flat=True)) == told
    assert not changes.filter(at__gt=T0).exists()
    assert {each.tags.get("site") for each in made} >= {"central", "harbour", "airport"}
    found = integrity.disagreements(T0)  # keys, and devices that are only created, have the database's time
    assert [each for each in found if each.what != "a record in the future"] == []


def test_the_simulator_drives_them_on(account: demo.Account, state: Path) -> None:
    demo_past.make(account, state, T0)
    ledger = Ledger(state)
    counts = share_out(12, list(account.fleets))
    known = [
        ledger.get(plan, number)
        for plan, count in zip(account.fleets, counts, strict=True)
        for number in range(count)
    ]
    assert {each.uuid for each in known if each} <= set(Device.objects.values_list("uuid", flat=True))
    assert len([each for each in known if each and each.key]) == 12


def test_making_it_again_makes_nothing(account: demo.Account, state: Path) -> None:
    demo_past.make(account, state, T0)
    rows = list(Device.objects.order_by("pk").values())
    assert demo_past.make(account, state, T0 + timedelta(days=1)) == 0
    state.unlink()  # a ledger that was lost makes no second devices of the same names
    assert demo_past.make(account, state, T0 + timedelta(days=1)) == 0
    assert list(Device.objects.order_by("pk").values()) == rows


def test_there_is_a_past_for_each_device_that_the_simulator_drives() -> None:
    assert Options.__dataclass_fields__["devices"].default == demo_past.DEVICES
