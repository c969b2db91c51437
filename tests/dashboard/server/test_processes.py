"""Programs that run together: started again when they end, ended together when we are asked to."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUNNER = """
import sys
from pathlib import Path
from dashboard.server.processes import Program, run_together
note = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\\\n');"
lives, dies = sys.argv[1:]
run_together(
    [
        Program("lives", [sys.executable, "-c", note + "time.sleep(600)", lives]),
        Program("dies", [sys.executable, "-c", note + "sys.exit(3)", dies]),
    ],
    lambda program: None,
)
"""


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_ends_is_started_again_until_all_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    lives, dies = tmp_path / "lives", tmp_path / "dies"
    command = [sys.executable, "-c", RUNNER, str(lives), str(dies)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:
        for _ in range(300):
            if len(lines(dies)) >= 2:
                break
            time.sleep(0.1)
        runner.send_signal(number)
        said, _ = runner.communicate(timeout=20)
    assert runner.returncode == 0
    assert said.startswith("dies ended with code 3; starting it again in 1 s.\n")
    assert said.endswith("Stopping.\n")
    assert len(lines(lives)) == 1
    assert not Path(f"/proc/{lines(lives)[0]}").exists()
