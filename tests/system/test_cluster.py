"""`make cluster`: three databases under Patroni, of which another one leads after a switchover."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import Final

import pytest

from tests.system import network, postgres
from tests.system.site import ROOT

pytestmark = pytest.mark.system

DEVICES: Final = 50

WHY_NOT: Final = (
    network.WHY_NOT
    or postgres.WHY_NOT
    or ", ".join(
        f"{name} is not installed" for name in ("etcd", "haproxy", "openssl") if not shutil.which(name)
    )
)


def test_after_a_switchover_every_acknowledged_heartbeat_is_there_and_no_device_was_offline() -> None:
    if WHY_NOT and not os.environ.get("REQUIRE_SYSTEM"):
        pytest.skip(WHY_NOT)
    assert not WHY_NOT, f"REQUIRE_SYSTEM is set, but: {WHY_NOT}"
    subprocess.run(["scripts/cluster/packages.sh"], cwd=ROOT, check=True)
    command = [sys.executable, "-m", "scripts.cluster", "--devices", str(DEVICES), "switchover"]
    environment = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        said, _ = process.communicate()
    assert process.returncode == 0, said
    found = re.search(r"switchover: .* 0 of (\d+) acknowledged heartbeats lost, 0 devices", said)
    assert found, said
    assert int(found[1]) >= DEVICES
    assert f"lookout-{process.pid}-" not in network.run("ip", "netns")  # it has ended all that it started
