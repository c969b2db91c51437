"""The whole site from outside, as in production behind a proxy, while everything that is secret is in use."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Final
from urllib.parse import urljoin, urlsplit

import pytest
from django.urls import Resolver404, resolve, reverse

from tests.access.rules import Who
from tests.access.table import PAGES
from tests.access.urls import addresses
from tests.programs import required
from tests.security.headers import faults, is_kept_by_nobody
from tests.security.scan import wrong_in
from tests.security.sockets import head
from tests.security.story import (
    API_SECRET,
    CHOSEN,
    UUID,
    WRONG_KEY,
    Story,
    bearer,
    devices_call,
    people_come,
    virtual_devices_live,
)
from tests.security.visitor import HOST, PROXIED, Seen, Visitor, call
from tests.security.whole_site import CONFIGURED, whole_site

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def story(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with whole_site(tmp_path_factory.mktemp("site"), migrated) as site:
        story = Story(site, Visitor(site.port), Visitor(site.port))
        story.secrets |= CONFIGURED | {"API secret": API_SECRET, "wrong key": WRONG_KEY, "chosen key": CHOSEN}
        people_come(story)
        devices_call(story)
        virtual_devices_live(story)
        for visitor in (story.owner, story.guest):
            story.secrets |= {f"token {token[:8]}": token for token in visitor.tokens}
        yield story


def test_no_secret_is_in_a_log(story: Story) -> None:
    logs = story.site.logs()
    assert set(logs) == {"site", "ingest", "settle", "worker", "simulator", "commands"}
    assert all(logs[name] for name in ("site", "ingest", "simulator", "commands"))
    assert " DEBUG " in "".join(logs.values())
    found = [(what, name) for what, secret in story.secrets.items() for name in logs if secret in logs[name]]
    assert len(story.secrets) > 30
    assert found == []


def test_no_secret_is_in_an_address(story: Story) -> None:
    """Neither asked for nor led to, beside an invitation's when its link is opened."""
    asked = [*story.owner.addresses, *story.guest.addresses]
    found = {what for what, secret in story.secrets.items() if any(secret in each for each in asked)}
    assert found == {"invitation"}
    assert [each for each in asked if story.secrets["invitation"] in each] == [
        f"/invitations/{story.secrets['invitation']}/"
    ]


def spider(visitor: Visitor, *starts: str) -> dict[str, Seen]:
    """All pages that links lead to, three of each kind at most."""
    seen: dict[str, Seen] = {}
    kinds: dict[str, int] = {}
    ways = list(starts)
    while ways:
        path = ways.pop()
        kind = kind_of(path)
        if path in seen or kinds.get(kind, 0) >= 3:
            continue
        kinds[kind] = kinds.get(kind, 0) + 1
        seen[path] = visitor.get(path)
        if seen[path].kind == "text/html":
            ways += [urljoin(path, each).partition("#")[0] for each in seen[path].page().addresses]
    return seen


def kind_of(path: str) -> str:
    try:
        return resolve(urlsplit(path).path).view_name
    except Resolver404:
        return path  # static files are all looked at


KNOWN: Final = {"organization": "ours", "slug": "pumps", "uuid": UUID, "username": "guest"}


def own_pages() -> list[str]:
    """The pages that show an Owner something, of what there is in this story."""
    return [
        reverse(each.name, kwargs={name: KNOWN[name] for name in each.parameters})
        for each in addresses()
        if each.name in PAGES
        and set(each.parameters) <= KNOWN.keys()
        and not each.name.startswith("incidents:one")  # this story has none
        and PAGES[each.name].get[Who.OWNER] == 200
    ]


def test_every_answer_is_guarded(story: Story) -> None:
    """All pages of an Owner, those that they lead to, and every file they are made of."""
    seen = spider(story.owner, "/nothing/", *own_pages())
    assert len({kind_of(path) for path in seen}) > 30
    assert any(path.endswith(".woff2") for path in seen)
    wrong = {path: wrong_with(answer) for path, answer in seen.items()}
    assert {path: found for path, found in wrong.items() if found} == {}


def wrong_with(seen: Seen) -> list[str]:
    found = faults(seen.headers)
    if seen.headers["Strict-Transport-Security"] != "max-age=31536000":
        found.append(f"Strict-Transport-Security: {seen.headers['Strict-Transport-Security']}")
    if (seen.status == 200 and seen.address.startswith("/static/")) == is_kept_by_nobody(seen.headers):
        found.append(f"Cache-Control: {seen.headers['Cache-Control']}")
    found += [f"cookie {cookie}" for cookie in seen.cookies if not is_flagged(cookie)]
    return found + (wrong_in(seen.text) if seen.kind == "text/html" else [])


def is_flagged(cookie: str) -> bool:
    return {"HttpOnly", "Secure", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}


def test_cookies_of_everybody_are_flagged(story: Story) -> None:
    visitor = Visitor(story.site.port)
    sign_in = visitor.get("/sign-in/")
    made = [*sign_in.cookies, *visitor.submit(sign_in, "password", username="nobody").cookies]
    theme = call(story.site.port, "GET", "/", headers=PROXIED)
    assert made
    assert [cookie for cookie in [*made, *theme.cookies] if not is_flagged(cookie)] == []
    assert visitor.cookies.keys() <= {"__Host-csrftoken", "__Host-sessionid", "messages"}


ERRORS: Final = [
    ("GET", "/nothing/", PROXIED, 404),
    ("GET", "//evil.example/%2f..", PROXIED, 404),
    ("DELETE", "/sign-in/", PROXIED, 403),
    ("TRACE", "/sign-in/", PROXIED, 405),
    ("POST", "/sign-in/", PROXIED, 403),
    ("POST", "/theme/", PROXIED | {"Content-Length": "99999999"}, 413),
    ("GET", "/sign-in/", PROXIED | {"Host": "evil.example"}, 400),
    ("GET", "/sign-in/", PROXIED | {"Host": f"{HOST}:1337"}, 400),
    ("GET", "/sign-in/", PROXIED | {"Host": "evil.example", "X-Forwarded-Proto": "http"}, 400),
    ("GET", "/static/nothing.css", PROXIED, 404),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), ERRORS)
def test_refusals_are_guarded_too(
    story: Story, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    seen = call(story.site.port, method, path, headers=headers)
    assert seen.status == status
    assert "evil.example" not in f"{seen.text}{seen.headers}"
    assert wrong_with(seen) == ([] if headers.get("X-Forwarded-Proto") == "https" else [HSTS_MISSING])


HSTS_MISSING: Final = "Strict-Transport-Security: None"  # of no use over plain HTTP


def test_plain_http_is_led_to_https_on_our_own_name(story: Story) -> None:
    for more in ({}, {"X-Forwarded-Host": "evil.example"}, {"Forwarded": "host=evil.example"}):
        seen = call(story.site.port, "GET", "/?q=1", headers={"Host": HOST, **more})
        assert (seen.status, seen.headers["Location"]) == (301, f"https://{HOST}/?q=1")


def test_what_devices_get_is_kept_by_nobody_and_no_page(story: Story) -> None:
    key = story.secrets["device key"]
    for port in (story.site.port, story.site.ingest):
        for method, path in (("POST", "/api/v1/heartbeat"), ("GET", "/api/v1/nothing"), ("GET", "/ping")):
            seen = call(port, method, path, headers=bearer(key))
            assert seen.kind in {"application/json", "text/plain"}
            assert seen.headers["Cache-Control"] == "no-store"
            assert seen.headers["X-Content-Type-Options"] == "nosniff"
            assert seen.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert [name for name in ("Server", "X-Powered-By", "Via") if name in seen.headers] == []


def test_no_path_brings_two_answers(story: Story) -> None:
    """A line end in a path or a parameter makes no header."""
    for path in (
        "/%0d%0aX-Made-Up:%201/",
        "/sign-in/?next=/%0d%0aX-Made-Up:%201",
        "/api/v1/%0d%0aX-Made-Up:1",
    ):
        assert "X-Made-Up" not in call(story.site.port, "GET", path, headers=PROXIED).headers


def by_nc(port: int, method: str, path: str, **headers: str) -> str:
    """What netcat gets, which closes its sending side behind the request."""
    said = head(method, path, **headers).replace(b"Host: localhost", f"Host: {HOST}".encode())
    nc = [required("busybox"), "nc", "127.0.0.1", str(port)]
    return subprocess.run(nc, input=said, capture_output=True, timeout=60, check=True).stdout.decode()


def test_nc_that_closes_its_sending_side_is_answered_by_ingest_pages_and_health(story: Story) -> None:
    """Of the process that serves both, and of the one that serves calls alone."""
    key = f"Bearer {story.secrets['device key']}"
    for port in (story.site.port, story.site.ingest):
        heartbeat = by_nc(port, "POST", "/api/v1/heartbeat", Authorization=key, Content_Length="0")
        assert heartbeat.startswith("HTTP/1.1 200 OK\r\n")
        assert heartbeat.endswith("}")
        for path in ("/healthz", "/livez"):
            assert by_nc(port, "GET", path).endswith("\r\n\r\nOK\n")
    page = by_nc(story.site.port, "GET", "/sign-in/", X_Forwarded_Proto="https", X_Forwarded_For="192.0.2.7")
    assert page.startswith("HTTP/1.1 200 OK\r\n")
    assert "</html>" in page
