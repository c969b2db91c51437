"""A load: one call by wrk over many connections for some seconds, by all devices in turn."""

import json
import math
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
MISSING = (
    "make bench drives its load with wrk, which is not installed: apt install wrk (macOS: brew install wrk)."
)


@dataclass(frozen=True)
class Load:
    """What wrk sent and received."""

    sent: int
    answered: int
    refused: int  # answers of status 400 and above
    broken: int  # connections that failed, and answers that took more than two seconds
    seconds: float
    bytes: int  # of all answers
    p50: float  # milliseconds
    p99: float
    cpu: float  # seconds that wrk itself used

    @property
    def accepted(self) -> int:
        return self.answered - self.refused

    @property
    def rate(self) -> float:
        return self.accepted / self.seconds


@dataclass(frozen=True)
class Drive:
    """The parameters of loads on one server."""

    url: str
    devices: int
    connections: int
    tags: Path | None = None  # of states, for `poll`

    def run(self, call: str, seconds: int) -> Load:
        """Make `call` (a name in load.lua) for so many seconds."""
        with subprocess.Popen(self.command(call, seconds), stdout=subprocess.PIPE, text=True) as wrk:
            assert wrk.stdout is not None
            output = wrk.stdout.read()
            _, status, usage = os.wait4(wrk.pid, 0)
            wrk.returncode = os.waitstatus_to_exitcode(status)
        return read(output, usage.ru_utime + usage.ru_stime)

    def command(self, call: str, seconds: int) -> list[str]:
        """The command that makes `call` for so many seconds."""
        stride = stride_for(self.devices)
        arguments = [call, self.devices, random.randrange(self.devices), stride, self.tags or ""]
        command = ["wrk", "--threads", "1", "--connections", str(self.connections)]
        command += ["--duration", f"{seconds}s", "--timeout", "10s", "--script", str(SCRIPT), self.url, "--"]
        return command + [str(argument) for argument in arguments if argument != ""]


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        sys.exit(MISSING)


def stride_for(devices: int) -> int:
    """A step through device numbers that reaches all before one again, and is far from the one before."""
    stride = max(1, int(devices * 0.618))
    while math.gcd(stride, devices) != 1:
        stride += 1
    return stride


def read(output: str, cpu: float) -> Load:
    """Parse the result that load.lua prints at its end; `cpu`: seconds of processor time of wrk."""
    found = [line for line in output.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise RuntimeError(f"wrk did not get to its end:\n{output}")
    result = json.loads(found[-1].removeprefix("RESULT "))
    return Load(
        sent=result["sent"],
        answered=result["answered"],
        refused=result["refused"],
        broken=result["broken"],
        seconds=result["microseconds"] / 1e6,
        bytes=result["bytes"],
        p50=result["p50"] / 1000,
        p99=result["p99"] / 1000,
        cpu=cpu,
    )
