"""A supervisor as protocol.md describes one, with what it remembers between its calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from devices.models import Device
from tests.devices.ingest.client import Answer, Client


class ExchangeRefused(Exception):
    """The provisioning key may not act for the device: a real one takes a new UUID then."""


@dataclass
class Supervisor:
    """`form` is 3, or 2 for an old one."""

    client: Client
    provisioning_key: str
    form: int
    uuid: str = "5" * 32
    key: str = "chosen-by-the-supervisor-of-pump-1"
    number: int | None = None
    tag: str = ""
    target: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        return {3: "v7", 2: "v5"}[self.form]

    @property
    def device(self) -> Device:
        return Device.objects.get(uuid=self.uuid)

    def provision(self) -> None:
        """Register; after a conflict look up and, if need be, exchange keys."""
        body = {"application": 12, "uuid": self.uuid, "device_type": "pi", "api_key": self.key}
        answer = self.client.call("POST", "device/register", self.provisioning_key, body)
        if answer.status == 201:
            assert answer.json["api_key"] == self.key
            self.number = answer.json["id"]
            return
        assert (answer.status, answer.text) == (409, '"uuid" must be unique.')
        self.number = self._look_up(self.key)
        if self.number is None:
            self.number = self._look_up(self.provisioning_key)
            if self.number is None:
                raise ExchangeRefused
            path = f"api-key/device/{self.number}/device-key"
            answer = self.client.call("POST", path, self.provisioning_key, {"apiKey": self.key})
            assert (answer.status, answer.json) == (200, self.key)

    def _look_up(self, key: str) -> int | None:
        path = f"{self.version}/device?$select=id&$filter=uuid%20eq%20'{self.uuid}'"
        answer = self.client.call("GET", path, key)
        return answer.json["d"][0]["id"] if answer.status == 200 else None

    def configure(self) -> None:
        """What it sets of itself at first."""
        body = {"device": self.number, "name": "RESIN_SUPERVISOR_LOCAL_MODE", "value": "false"}
        path = f"{self.version}/device_config_variable"
        assert self.client.call("POST", path, self.key, body).status == 201
        path = f"{self.version}/device({self.number})"
        assert self.client.call("PATCH", path, self.key, {"device_name": "Door"}).status == 200

    def poll(self) -> int:
        """Its state poll: the status; the target is remembered as a real one remembers it."""
        path = f"device/v{self.form}/{self.uuid}/state"
        answer = self.client.call("GET", path, self.key, **{"If-None-Match": self.tag} if self.tag else {})
        if answer.status == 200:
            self.tag, self.target = answer.headers["etag"], self._checked(answer.json)
        return answer.status

    def _checked(self, body: dict[str, Any]) -> dict[str, Any]:
        target: dict[str, Any] = body[self.uuid] if self.form == 3 else body["local"]
        assert isinstance(target["name"], str)
        assert isinstance(target["apps"], dict)
        assert all(isinstance(value, str) for value in target["config"].values())
        return target

    def report(self, **said: Any) -> Answer:
        if self.form == 3:
            return self.client.call("PATCH", "device/v3/state", self.key, {self.uuid: said})
        return self.client.call("PATCH", f"device/v2/{self.uuid}/state", self.key, {"local": said})

    def report_update(self, progress: list[int | None], *, applying: bool = False) -> None:
        """An update whose services have downloaded so much."""
        status = "Downloaded" if applying else "Downloading"
        services = {
            str(n): {"image": "x", "status": status, "download_progress": done, "releaseId": 5}
            for n, done in enumerate(progress)
        }
        if self.form == 2:
            said: dict[str, Any] = {"apps": {"1": {"services": services}}, "status": "Updating"}
        else:
            update = {
                "update_status": "applying changes" if applying else "downloading",
                "services": services,
            }
            said = {"apps": {"a": {"release_uuid": "old", "releases": {"new": update}}}}
        assert self.report(**said).status == 200

    def report_done(self) -> None:
        services = {"0": {"image": "x", "status": "Running", "download_progress": None, "releaseId": 5}}
        if self.form == 2:
            said: dict[str, Any] = {"apps": {"1": {"services": services}}, "status": "Idle"}
            said |= {"download_progress": None}
        else:
            release = {"update_status": "done", "services": services}
            said = {"apps": {"a": {"release_uuid": "new", "releases": {"new": release}}}}
        assert self.report(**said).status == 200
