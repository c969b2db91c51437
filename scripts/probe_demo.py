"""Looks at a running demo as a person would: signs in and reads the Fleets page, over HTTP.

usage: probe_demo.py ADDRESS KEYFILE
"""

import http.cookiejar
import json
import re
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

COUNT = re.compile(r'id="count-([a-z-]+)".*?<b>([^<]+)</b>', re.DOTALL)
PATIENCE = 120.0  # seconds for the demo to start and its devices to show
TOLD = 420.0  # and until the loss of devices at one place is told: it begins in the second minute


def main(address: str, keyfile: Path) -> None:
    started = time.monotonic()
    deadline = started + PATIENCE
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    until(deadline, "the site answers", lambda: get(browser, f"{address}/healthz") == "OK\n")
    account = json.loads(keyfile.read_text())
    form = get(browser, f"{address}/sign-in/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    if token is None:
        raise SystemExit("The sign-in page has no form.")
    fields = {
        "csrfmiddlewaretoken": token[1],
        "login": account["user"],
        "password": account["password"],
    }
    request = urllib.request.Request(
        f"{address}/sign-in/", urllib.parse.urlencode(fields).encode(), {"Referer": address}
    )
    with browser.open(request, timeout=10) as response:
        if urllib.parse.urlsplit(response.url).path != "/":
            raise SystemExit("The sign-in did not lead to the Fleets page.")
    until(deadline, "all nine statuses occur", lambda: occurring(counts(browser, address)) == 9)
    before = counts(browser, address)
    until(deadline, "the counts change", lambda: counts(browser, address) != before)
    deadline = started + TOLD
    until(deadline, "an incident is told at the bell", lambda: told(browser, address), TOLD)
    sys.stdout.write(f"The demo lives: {counts(browser, address)}\n")


def until(deadline: float, what: str, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Asks every second; ends with what did not happen."""
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"In {patience:.0f} s it did not happen that {what}.")
        time.sleep(1)


def counts(browser: urllib.request.OpenerDirector, address: str) -> dict[str, int]:
    """The numbers of the Fleets page by status."""
    found = COUNT.findall(get(browser, f"{address}/"))
    return {status: int(re.sub(r"\D", "", number)) for status, number in found}


def occurring(numbers: dict[str, int]) -> int:
    return sum(1 for number in numbers.values() if number)


def told(browser: urllib.request.OpenerDirector, address: str) -> bool:
    """Whether the bell has a message about several devices that were lost together."""
    return bool(re.search(r"\[critical\] \d+ of \d+ devices at", get(browser, f"{address}/incidents/bell/")))


def get(browser: urllib.request.OpenerDirector, address: str) -> str:
    """The page; empty where nobody answers."""
    try:
        with browser.open(address, timeout=10) as response:
            return str(response.read().decode())
    except OSError:
        return ""


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
