"""What docker-compose reads in contrib/compose.yaml."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.programs import required

ROOT: Final = Path(__file__).resolve().parents[2]
SERVING: Final = ("web", "ingest")
BESIDE: Final = ("settle", "work", "tell", "balena")


def composed() -> dict[str, Any]:
    """The services of contrib/compose.yaml, as docker-compose reads it."""
    done = subprocess.run(
        [required("docker-compose"), "-f", ROOT / "contrib/compose.yaml", "config"],
        env={"PATH": os.environ["PATH"], "SITE_NAME": "lookout.example"},
        capture_output=True,
        text=True,
        check=True,
    )
    read = ["/usr/bin/python3", "-c", "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"]
    as_json = subprocess.run(read, input=done.stdout, capture_output=True, text=True, check=True)
    services: dict[str, Any] = json.loads(as_json.stdout)["services"]
    return services


def test_everything_restarts_and_what_serves_is_asked_for_its_health() -> None:
    services = composed()
    assert set(services) == {"postgres", "migrate", "first-code", *SERVING, *BESIDE, "caddy"}
    running = (*SERVING, *BESIDE, "postgres", "caddy")
    assert {services[name]["restart"] for name in running} == {"unless-stopped"}
    assert {tuple(services[name]["healthcheck"]["test"]) for name in SERVING} == {("CMD", "healthy")}
    for name in (*SERVING, *BESIDE, "first-code"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        assert services[name]["read_only"] is True
