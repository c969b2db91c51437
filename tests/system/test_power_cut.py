"""Forty devices of a site lose power: one message, whose forecast comes true, and one when it is over."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from tests.devices.alerts.receivers import Call, WebReceiver, web_receiver
from tests.devices.ingest.real_site import ROOT
from tests.system.alert_site import AlertSite, free_port
from tests.system.forks import forks
from tests.system.postgres import until

DARK, OTHERS = 40, 20
HERE: Final = "203.0.113.7"
PROXY: Final = "127.0.0.5"  # from which the devices' calls come, with their public addresses
PATIENCE: Final = 90.0  # seconds
MAKE: Final = f"""
organization = Organization.objects.create(name="Halden", slug="halden")
fleet = Fleet.objects.create(
    organization=organization, name="Depot", slug="depot", poll_interval=20, vpn_enabled=True
)
rules.ship(organization)
AlertRule.objects.filter(organization=organization).delete()
made = {{"service": keys.new_service_key(organization, "vpn")}}
for group, number in (("dark", {DARK}), ("others", {OTHERS})):
    made[group] = []
    for place in range(number):
        device, key = lifecycle.preregister(fleet=fleet, actor=None, name=f"{{group}}-{{place}}")
        made[group].append({{"uuid": device.uuid, "key": key, "fleet": "depot", "name": device.name}})
print(json.dumps(made))
"""
RULE: Final = """
organization = Organization.objects.get(slug="halden")
values = {"url": f"http://127.0.0.1:{sys.argv[1]}/"}
target, _ = targets.create(
    organization=organization, wanted=Wanted(kind="webhook", name="Ops", values=values), actor=None
)
short = timedelta(seconds=2)
wanted = usual(
    "Lost together", Condition.TOGETHER, Severity.CRITICAL,
    delay=short, hold=short, gather=short, steps=[Step(timedelta(), [target])],
)
rules.create(organization=organization, wanted=wanted, actor=None, at=clock.now())
print("true")
"""
OFFLINE: Final = """
SELECT device.name, change.at FROM devices_statuschange change
JOIN devices_device device ON device.id = change.device_id WHERE change.after = 'offline' ORDER BY change.at
"""
ONLINE: Final = "SELECT count(*) FROM devices_device WHERE recorded_status = 'online'"


class World:
    """What the site is told: by the programs of virtual devices, and by two VPN servers."""

    def __init__(self, site: AlertSite, made: dict[str, Any]) -> None:
        self._site, self._made, self._over = site, made, threading.Event()
        for group in ("dark", "others"):
            address = HERE if group == "dark" else "198.51.100.9"
            content = {
                "organization": group,
                "service_key": made["service"],
                "fleets": [{"slug": "depot", "provisioning_key": "none", "vpn": False}],
                "devices": [device | {"address": address} for device in made[group]],
            }
            (site.state / f"{group}.json").write_text(json.dumps(content))

    @contextmanager
    def powered(self, group: str) -> Iterator[None]:
        """The devices of a group poll until the block ends; then they are gone as by a power cut."""
        files = [("--keys", f"{group}.json"), ("--state", f"{group}-known.json")]
        places = [part for name, file in files for part in (name, str(self._site.state / file))]
        address = f"http://127.0.0.1:{self._site.port}"
        lives = ["--url", address, "--proxy", PROXY, "--devices", "0", "--speed", "0.0001", "-v", "0"]
        command = [sys.executable, "manage.py", "simulate", *places, *lives]
        with subprocess.Popen(command, cwd=ROOT, env=self._site.environment) as process:
            self.vpn("connect", group)
            try:
                yield
            finally:
                process.kill()
        self.vpn("disconnect", group)

    def vpn(self, event: str, group: str) -> None:
        """Half of the devices of a group are connected by each server, so that none of them is the cause."""
        devices = [device["uuid"] for device in self._made[group]]
        for number in (0, 1):
            self._call(event, {"server": f"vpn-{number}", "devices": devices[number::2]})

    @contextmanager
    def vpn_servers(self) -> Iterator[None]:
        """They give their life signs until the block ends."""
        self._sign()
        thread = threading.Thread(target=self._live)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _live(self) -> None:
        while not self._over.wait(10):
            self._sign()

    def _sign(self) -> None:
        for number in (0, 1):
            self._call("alive", {"server": f"vpn-{number}", "boot": "1"})

    def _call(self, event: str, body: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {self._made['service']}", "Content-Type": "application/json"}
        address = f"http://127.0.0.1:{self._site.port}/api/v1/vpn/{event}"
        urlopen(Request(address, json.dumps(body).encode(), headers), timeout=PATIENCE).close()


def test_a_power_cut_is_told_once_and_comes_as_foretold(state: Path) -> None:
    with web_receiver() as web:
        site = AlertSite(state, web.port, 25, free_port(), {"TRUSTED_PROXIES": PROXY})
        world = World(site, site.make(MAKE))
        with forks(site.environment, site.port, state / "power.log") as some:
            for part in ("site", "settler", "teller", "worker"):
                some.start(part)
            until(site.answers, PATIENCE)
            with world.vpn_servers(), world.powered("others"):
                with world.powered("dark"):
                    until(lambda: site.ask(ONLINE) == [(DARK + OTHERS,)], PATIENCE)
                    site.make(RULE, str(web.port))
                until(lambda: len(site.ask(OFFLINE)) == DARK, PATIENCE)
                with world.powered("dark"):
                    until(lambda: len(web.calls) >= 2, PATIENCE)
                    until(lambda: site.ask(ONLINE) == [(DARK + OTHERS,)], PATIENCE)
                foretold(web, site)


def foretold(web: WebReceiver, site: AlertSite) -> None:
    """One message when they were lost, one when it was over; what the first foretold happened."""
    assert [call.json["type"] for call in web.calls] == [
        "lookout.incident.firing",
        "lookout.incident.resolved",
    ]
    first, over = [_data(call) for call in web.calls]
    assert (first["cause"]["kind"], first["cause"]["key"], first["members"]["now"]) == ("address", HERE, DARK)
    assert [over["members"][name] for name in ("now", "at_most", "ever")] == [0, DARK, DARK]
    assert site.ask("SELECT count(*) FROM devices_incident") == [(1,)]
    offline = site.ask(OFFLINE)
    assert {name for name, _ in offline} == {f"dark-{number}" for number in range(DARK)}
    told_at = datetime.fromisoformat(web.calls[0].json["time"])
    later = [at.replace(microsecond=0) for _, at in offline if at > told_at]
    assert first["members"]["by_status"].get("offline", 0) == DARK - len(later)
    assert first["forecast"] == {
        "more": len(later),
        "status": "offline",
        "from": later[0].isoformat(),
        "to": later[-1].isoformat(),
    }


def _data(call: Call) -> dict[str, Any]:
    data: dict[str, Any] = call.json["data"]
    return data
