"""The samples of contrib/front, run by the real programs before the site: TLS, HTTP/2, addresses, retries."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from pytest_django import Settings

from dashboard.asgi import InOneThread
from dashboard.http.proxy import Proxied
from dashboard.listen import HOST, bind
from devices.ingest import client_address
from devices.ingest.app import Ingest
from devices.ingest.native.calls import CALLS
from tests.devices.ingest.raw import unlimited
from tests.devices.ingest.server import serving
from tests.devices.ingest.world import World, make_world
from tests.programs import required
from tests.security.proxies import NGINX_ALONE, PATIENCE, listens
from tests.worker import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]

FRONT: Final = Path(__file__).resolve().parents[2] / "contrib" / "front"
CLIENT: Final = "127.0.0.77"  # an address of its own, for which loopback has room
CALLS_MADE: Final = 20
PROGRAMS: Final = ("nginx", "haproxy", "caddy")
NGINX: Final = NGINX_ALONE + "include {directory}/nginx.conf; }}"


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def site(settings: Settings) -> Iterator[int]:
    """The port of pages and calls behind a proxy, and of a stream that says one word and goes on."""
    settings.SECURE_SSL_REDIRECT = True
    settings.TRUSTED_PROXIES = [HOST]
    client_address.is_trusted.cache_clear()
    pages, calls = Proxied(InOneThread()), Ingest(CALLS, unlimited())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/bell/":
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"data: now\n\n", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if scope["type"] == "http" and scope["path"] in {"/healthz", "/metrics", "/readyz"}:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        to_calls = scope["type"] == "lifespan" or scope["path"].startswith("/api/")
        await (calls if to_calls else pages)(scope, receive, send)

    with serving(app) as port:
        yield port
    client_address.is_trusted.cache_clear()


def free() -> int:
    with bind(HOST, 0) as found:
        port: int = found.getsockname()[1]
    return port


class Front:
    """A program with our sample before the site; `said` is the file of its log."""

    def __init__(self, place: Path) -> None:
        self.place, self.plain, self.tls, self.said = place, free(), free(), place / "log"

    def listens(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, self.said.read_text()
        return listens(process, self.tls)

    def curl(self, path: str, *more: str) -> str:
        url = f"https://localhost:{self.tls}{path}"
        command = [required("curl"), "-sS", "-k", "--http2", "--interface", CLIENT, *more, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, f"{done.stderr}{self.said.read_text()}"
        return done.stdout

    def first_line(self, path: str) -> str:
        """Of an answer that goes on."""
        command = [required("curl"), "-sSNk", f"https://localhost:{self.tls}{path}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
            assert curl.stdout is not None
            line = curl.stdout.readline()
            curl.terminate()
        return line.strip()

    def poll(self, key: str, *more: str) -> str:
        """The status of the answer to a device's poll."""
        bearer = ("-X", "POST", "-H", f"Authorization: Bearer {key}")
        return self.curl(
            "/api/v1/heartbeat?secret=1", *bearer, "-o", "/dev/null", "-w", "%{http_code}", *more
        )


def certificate(place: Path) -> None:
    """One for localhost, as its own files and, as HAProxy wants it, in one."""
    how = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", str(place / "privkey.pem"), "-out", str(place / "fullchain.pem")]
    subprocess.run([required("openssl"), *how, *files], check=True, capture_output=True)
    both = (place / "privkey.pem").read_text() + (place / "fullchain.pem").read_text()
    (place / "lookout.pem").write_text(both)


def nginx(front: Front, processes: list[int]) -> tuple[list[str], dict[str, str]]:
    servers = "".join(f"server {HOST}:{port} max_fails=1 fail_timeout=2s;\n" for port in processes)
    text = re.sub(r"server 127\.0\.0\.1:800[01] .*?;", servers, (FRONT / "nginx.conf").read_text())
    text = text.replace("listen 80;", f"listen {HOST}:{front.plain};")
    text = text.replace("listen 443 ", f"listen {HOST}:{front.tls} ").replace(
        "/etc/ssl/lookout", str(front.place)
    )
    text = text.replace("/var/log/nginx/lookout.log", str(front.said))
    (front.place / "nginx.conf").write_text(text)
    (front.place / "main.conf").write_text(NGINX.format(directory=front.place))
    return ["-c", str(front.place / "main.conf"), "-p", str(front.place), "-e", "stderr"], {}


def haproxy(front: Front, processes: list[int]) -> tuple[list[str], dict[str, str]]:
    text = (
        (FRONT / "haproxy.cfg")
        .read_text()
        .replace("/etc/haproxy/lookout.pem", str(front.place / "lookout.pem"))
    )
    text = text.replace("bind :80\n", f"bind {HOST}:{front.plain}\n").replace(
        "bind :443", f"bind {HOST}:{front.tls}"
    )
    servers = "".join(f"    server s{port} {HOST}:{port}\n" for port in processes)
    text = re.sub(r"    server \S+ 127\.0\.0\.1:800[01]\n", servers, text)
    (front.place / "haproxy.cfg").write_text(text)
    return ["-db", "-f", str(front.place / "haproxy.cfg")], {}


def caddy(front: Front, processes: list[int]) -> tuple[list[str], dict[str, str]]:
    named = " ".join(f"{HOST}:{port}" for port in processes)
    told = {"SITE_NAME": "localhost", "PAGES": named, "DEVICES": named, "HOME": str(front.place)}
    ports = {"HTTP_PORT": str(front.plain), "HTTPS_PORT": str(front.tls)}
    return ["run", "--adapter", "caddyfile", "--config", str(FRONT / "Caddyfile")], told | ports


HOW: Final[dict[str, Callable[[Front, list[int]], tuple[list[str], dict[str, str]]]]] = {
    "nginx": nginx,
    "haproxy": haproxy,
    "caddy": caddy,
}


@contextmanager
def before(program: str, place: Path, *processes: int) -> Iterator[Front]:
    """The program with our sample, which knows these processes of each kind by their ports."""
    certificate(place)
    front = Front(place)
    arguments, environment = HOW[program](front, list(processes))
    told = {"PATH": os.environ["PATH"]} | environment
    with (
        front.said.open("a") as log,
        subprocess.Popen([required(program), *arguments], env=told, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until(lambda: front.listens(process))
            wait_until(lambda: front.curl("/livez", "-o", "/dev/null", "-w", "%{http_code}") != "503")
            yield front
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_sample_serves_as_the_documents_say(site: int, world: World, tmp_path: Path, program: str) -> None:
    with before(program, tmp_path, site) as front:
        assert (
            front.poll(
                world.device_key, "-H", "X-Forwarded-For: 192.0.2.66", "-H", "Forwarded: for=192.0.2.66"
            )
            == "200"
        )
        world.device.refresh_from_db()
        assert world.device.public_address == CLIENT
        page = front.curl(
            "/sign-in/", "-H", "Host: localhost", "-o", "/dev/null", "-w", "%{http_code} %{http_version}"
        )
        assert page == "200 2"
        plain = f"http://localhost:{front.plain}/devices/"
        asked = [required("curl"), "-sS", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", plain]
        status, led_to = subprocess.check_output(asked, text=True).split()
        assert (status[0], led_to.startswith("https://localhost")) == ("3", True)
        assert front.first_line("/bell/") == "data: now"
        for watched in ("/metrics", "/readyz", "/%6detrics"):
            assert front.curl(watched, "-o", "/dev/null", "-w", "%{http_code}") == "404"
    assert "secret" not in front.said.read_text()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_call_that_reached_no_process_is_made_again(
    site: int, world: World, tmp_path: Path, program: str
) -> None:
    with before(program, tmp_path, free(), site) as front:
        assert {front.poll(world.device_key) for _ in range(CALLS_MADE)} == {"200"}
