"""What virtual VPN servers say, and what they keep to themselves."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from devices.simulator.client import Site
from devices.simulator.scenarios import Outage
from devices.simulator.vpn import VpnServer
from tests.devices.simulator.recorder import Call, Recorder, recording_site

Story = Callable[[VpnServer, Recorder], Awaitable[None]]


def serve(story: Story, *outages: Outage, speed: float = 1.0) -> Recorder:
    """Run a server through the story; alive every 0.1 s, events gathered for 0.01 s."""

    async def run() -> Recorder:
        async with recording_site(Recorder()) as record, Site(record.url) as site:
            server = VpnServer("vpn-1", site, "svc", Random(1), alive=0.1, flush=0.01, retry=0.05)
            task = asyncio.create_task(server.run(iter(outages), speed=speed))
            try:
                await story(server, record)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            return record

    return asyncio.run(run())


def events(record: Recorder) -> list[tuple[str, str]]:
    """Each connect and disconnect of each device, in the order told."""
    calls = (call for call in record.calls if call.name in ("connect", "disconnect"))
    return [(call.name, each["uuid"]) for call in calls for each in body(call)["devices"]]


def sessions(record: Recorder) -> list[str]:
    calls = (call for call in record.calls if call.name in ("connect", "disconnect"))
    return [each["session"] for call in calls for each in body(call)["devices"]]


def body(call: Call) -> dict[str, Any]:
    assert call.body is not None
    return call.body


def test_signs_of_life_carry_the_boot() -> None:
    async def story(server: VpnServer, record: Recorder) -> None:
        await record.until(lambda heard: len(heard.of("alive", "svc")) >= 3)

    record = serve(story)
    boots = {body(call)["boot"] for call in record.of("alive")}
    assert len(boots) == 1
    assert all(body(call).keys() == {"server", "boot"} for call in record.of("alive"))


def test_connects_and_disconnects_are_gathered_and_carry_the_session() -> None:
    async def story(server: VpnServer, record: Recorder) -> None:
        server.join("a")
        server.join("b")
        await record.until(lambda heard: len(events(heard)) == 2)
        server.leave("a")
        await record.until(lambda heard: len(events(heard)) == 3)

    record = serve(story)
    assert events(record) == [("connect", "a"), ("connect", "b"), ("disconnect", "a")]
    assert len(record.of("connect")) == 1
    first, second, last = sessions(record)
    assert first == last != second


def test_a_disconnect_noticed_late_names_the_session_of_old() -> None:
    async def story(server: VpnServer, record: Recorder) -> None:
        server.join("a")
        await record.until(lambda heard: len(events(heard)) == 1)
        server.leave("a", notice=0.15)
        server.join("a")
        await record.until(lambda heard: len(events(heard)) == 3)
        assert list(server.sessions) == ["a"]

    record = serve(story)
    assert events(record) == [("connect", "a"), ("connect", "a"), ("disconnect", "a")]
    old, new, gone = sessions(record)
    assert gone == old != new


def test_what_the_site_did_not_take_is_told_until_it_does() -> None:
    async def story(server: VpnServer, record: Recorder) -> None:
        record.fail = {"connect": 503}
        server.join("a")
        server.join("b")
        await asyncio.sleep(0.2)
        server.leave("b")
        await asyncio.sleep(0.1)
        record.fail = {}
        record.calls.clear()
        await record.until(lambda heard: len(events(heard)) == 2)

    assert events(serve(story)) == [("connect", "a"), ("disconnect", "b")]


def test_a_server_that_dies_says_nothing_and_comes_back_as_another() -> None:
    seen: list[Call] = []

    async def story(server: VpnServer, record: Recorder) -> None:
        server.join("a")
        server.join("b")
        await asyncio.sleep(0.3)
        assert not server.sessions
        seen.extend(record.calls)
        record.calls.clear()
        server.leave("b")
        await asyncio.sleep(0.25)
        assert not record.calls
        await asyncio.sleep(0.4)

    record = serve(story, Outage(25, 40, dies=True), speed=100)
    first, *_ = record.of("alive")
    assert body(first)["connected"] == []
    assert body(first)["boot"] != body(seen[0])["boot"]
    assert events(record) == [("connect", "a")]


def test_a_server_that_falls_silent_comes_back_as_itself_with_its_list() -> None:
    async def story(server: VpnServer, record: Recorder) -> None:
        server.join("a")
        server.join("b")
        await asyncio.sleep(0.3)
        record.calls.clear()
        server.leave("b")
        await asyncio.sleep(0.25)
        assert not record.calls
        await asyncio.sleep(0.3)

    boots: set[object] = set()

    async def watched(server: VpnServer, record: Recorder) -> None:
        boots.add(server.boot)
        await story(server, record)

    record = serve(watched, Outage(0.25, 0.4, dies=False))
    first = next(call for call in record.of("alive") if "connected" in body(call))
    assert body(first)["connected"] == ["a"]
    assert {body(call)["boot"] for call in record.of("alive")} == boots
    assert events(record) == [("disconnect", "b")]
