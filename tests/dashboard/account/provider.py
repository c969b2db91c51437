"""A real OpenID Connect provider beside the site, and a browser that goes there and comes back."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from django.test import Client, override_settings

from dashboard.account.openid import provider_id

PEER = Path(__file__).parent / "peer"
SITE = "http://testserver"
PEOPLE = {
    "ida": {
        "email": "Ida@Example.org",
        "email_verified": True,
        "preferred_username": "ida",
        "name": "Ida Moe",
    },
    "eve": {"email": "ida@example.org", "email_verified": False, "preferred_username": "ida"},
    "new": {"email": "new@example.org", "email_verified": True, "preferred_username": "ida@example.org"},
    "strasse": {"email": "str@example.org", "email_verified": True, "preferred_username": "strasse"},
    "shy": {},
}


def node() -> str:
    """Node, with the package; without them these tests are skipped, or fail where peers are required."""
    path = shutil.which("node")
    missing = "" if path else "no node in PATH"
    if not (PEER / "node_modules" / "oidc-provider").is_dir():
        missing = missing or f"run npm ci in {PEER} first"
    if missing:
        missing += ": signing in by OpenID Connect not tried"
        if os.environ.get("REQUIRE_PEERS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    assert path is not None
    return path


@contextmanager
def running() -> Iterator[str]:
    """A provider, named in the settings in this block. Gives its issuer."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        issuer = f"http://127.0.0.1:{taken.getsockname()[1]}"
    secret = "a secret that both sides know"
    named = {"OIDC_ISSUER": issuer, "OIDC_CLIENT_ID": "lookout", "OIDC_CLIENT_SECRET": secret}
    with override_settings(OIDC_NAME="Halden ID", **named):
        client = {
            "client_id": "lookout",
            "client_secret": secret,
            "redirect_uris": [f"{SITE}/sign-in/with/{provider_id()}/back/"],
        }
        told = json.dumps({"issuer": issuer, "client": client, "people": PEOPLE})
        process = subprocess.Popen(
            [node(), str(PEER / "provider.js"), told],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        with process:
            assert "ready\n" in iter(process.stdout.readline, "")
            yield issuer
            process.terminate()


def leave(client: Client, **asked: str) -> str:
    """Where the site leads to, on its own page."""
    query = "?process=connect" if asked.pop("process", "") else ""
    page = client.post(f"/sign-in/with/{provider_id()}/{query}", asked)
    found = re.search(r'id="leave" href="([^"]+)"', page.content.decode())
    assert found
    return found[1].replace("&amp;", "&")


def identify(address: str, name: str) -> str:
    """Say at the provider who one is, as a browser would. Gives where that leads: back to the site."""
    browser = requests.Session()
    answer = browser.get(address, allow_redirects=False, timeout=10)
    while not answer.headers.get("Location", "").startswith(SITE):
        if answer.is_redirect:
            further = urljoin(answer.url, answer.headers["Location"])
            answer = browser.get(further, allow_redirects=False, timeout=10)
        else:
            form = {"prompt": "login", "login": name, "password": "anything"}
            answer = browser.post(answer.url, form, allow_redirects=False, timeout=10)
    return answer.headers["Location"].removeprefix(SITE)
