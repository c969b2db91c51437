"""The site as the protocol has it, for one device: sessions and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from devices.vpn.site import NotHeard, Site


class FarEnd(Site):
    """Takes calls where a real one speaks HTTP. `fails`: "down", or "after" having taken the call."""

    def __init__(self, key_file: Path) -> None:
        super().__init__("http://site.invalid", "vpn-1", key_file)
        self.session: str | None = None  # of the device, while connected
        self.fails = ""

    def _call(self, call: str, **body: Any) -> dict[str, Any]:
        if self.fails == "down":
            raise NotHeard("down")
        for device in body["devices"]:
            self.hear(call, "" if isinstance(device, str) else device["session"])
        if self.fails == "after":
            raise NotHeard("no reply")
        return {"changed": 1, "unknown": []}

    def hear(self, call: str, session: str) -> None:
        if call == "connect":
            self.session = session
        elif session in ("", self.session):
            self.session = None
