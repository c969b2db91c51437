"""A site with alert rules for tests of real processes: its database, its organizations, what was recorded."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.devices.ingest.real_site import ROOT, database

SETUP: Final = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
from datetime import timedelta
from devices import clock, keys
from devices.alerts import rules, targets
from devices.alerts.parameters import OfStatus
from devices.alerts.rule_values import Step, usual
from devices.alerts.target_values import Wanted
from devices.models import AlertRule, AlertTarget, Condition, Severity
from devices.operations import lifecycle
from fleets.models import Fleet, Organization
"""


@dataclass(frozen=True)
class AlertSite:
    """`state`: its directory, with the embedded server; `web` and `mail`: the ports of its receivers.

    `port`: its own; `settings`: those of its environment that the test needs besides.
    """

    state: Path
    web: int
    mail: int
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "STATE_DIRECTORY": str(self.state),
            "LOCAL": "1",
            "DATABASE_POOL": "6",
            "TARGETS_PLAIN": "1",
            "TARGETS_PRIVATE": "127.0.0.0/8",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(self.mail),
            "EMAIL_SECURITY": "none",
            "SITE_ADDRESS": "https://lookout.example",
            **self.settings,
        }

    def make(self, script: str, *arguments: str) -> Any:
        """What a script prints as JSON, which SETUP has prepared."""
        command = [sys.executable, "-c", SETUP + script, *arguments]
        made = subprocess.run(command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.PIPE)
        return json.loads(made.stdout)

    def answers(self) -> bool:
        """Whether somebody listens at its port."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def ask(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """The rows of a query, as soon as the database answers (again)."""
        while True:
            try:
                with database(self.state) as connection:
                    return connection.execute(sql, params or None).fetchall()
            except psycopg.OperationalError:
                continue


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
