"""Random agents of a VPN server against the model: whatever they tell in whatever order, leases end."""

from __future__ import annotations

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from devices.models import Device
from devices.status.reading import with_status
from tests.devices.lives.events import UUIDS, Event, make, tell
from tests.devices.lives.test_lives import check
from tests.examples import examples
from tests.factories import T0, seconds

pytestmark = pytest.mark.django_db(transaction=False)

agents: st.SearchStrategy[Event] = st.builds(
    Event,
    kind=st.sampled_from(["connect", "connect", "disconnect", "alive", "poll"]),
    device=st.integers(0, 3),
    server=st.just("vpn-1"),
    word=st.sampled_from(["", "a"]),
    listed=st.one_of(st.none(), st.sets(st.integers(0, 3)).map(lambda them: tuple(sorted(them)))),
    step=st.sampled_from([0, 0, 1, 59.999999, 60, 66, 600]),
    sign=st.just(value=True),
)


@given(lives=st.lists(agents, min_size=2, max_size=8))
@hypothesis_settings(max_examples=examples(40))
def test_in_whatever_order_an_agent_tells_events_and_signs_nobody_stays_connected_without_end(
    lives: list[Event],
) -> None:
    with transaction.atomic():
        model, now = make([{} for _ in UUIDS]), T0
        for event in lives:
            now += seconds(event.step)
            tell(model, event, now)
            check(model, now)
        if any(event.kind == "alive" for event in lives):
            assert not with_status(Device.objects.all(), now + seconds(60)).filter(vpn=True).exists()
        transaction.set_rollback(True)
