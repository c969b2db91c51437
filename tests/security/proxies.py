"""Real proxies in front of the site: nginx and HAProxy, as they are configured in production.

A client's address is told to them by the PROXY protocol, as a balancer of TCP connections in front would.
Their own addresses are PROXY and OUTER, for which loopback has room.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from dashboard.listen import HOST, bind
from tests.programs import required
from tests.worker import wait_until

PROXY: Final = "127.0.0.50"  # connects to the site
OUTER: Final = "127.0.0.51"  # of two, the one that clients connect to
PATIENCE: Final = 30.0  # seconds

# The beginning of a configuration of nginx that runs in the foreground and writes to `directory` alone.
NGINX_ALONE: Final = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
"""
NGINX: Final = (
    NGINX_ALONE
    + """
    access_log off;
    set_real_ip_from {host};
    real_ip_header proxy_protocol;
    map $remote_addr $node {{
        ~: "[$remote_addr]:$remote_port";
        default $remote_addr:$remote_port;
    }}
    map $http_x_forwarded_for $nodes {{
        "" $node;
        default "$http_x_forwarded_for, $node";
    }}
    server {{
        listen {host}:{port} proxy_protocol;
        location / {{
            proxy_pass http://{host}:{site};
            proxy_bind {own};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            {lines}
        }}
    }}
}}
"""
)
HAPROXY: Final = """
global
    log stderr local0
defaults
    mode http
    timeout connect 30s
    timeout client 30s
    timeout server 30s
listen site
    bind {host}:{port} {accept}
    {lines}
    server site {host}:{site} source {own}
"""
# What each way says of a client, in the words of its program.
WAYS: Final = {
    "nginx": """
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto https;
        proxy_set_header Forwarded "";""",
    "nginx, with ports": """
        proxy_set_header X-Forwarded-For $nodes;
        proxy_set_header X-Forwarded-Proto HTTPS;
        proxy_set_header Forwarded "";""",
    "nginx, Forwarded": """
        proxy_set_header Forwarded 'for="$node";proto=https';
        proxy_set_header X-Forwarded-For "";
        proxy_set_header X-Forwarded-Proto "";""",
    "nginx, Forwarded that others may add to": """
        proxy_set_header Forwarded '$http_forwarded, for="$node";proto=https';
        proxy_set_header X-Forwarded-For "";
        proxy_set_header X-Forwarded-Proto "";""",
    "haproxy": """
    option forwardfor
    http-request set-header X-Forwarded-Proto https
    http-request del-header Forwarded""",
    "haproxy, with ports": """
    acl six src ::/0
    http-request add-header X-Forwarded-For [%[src]]:%[src_port] if six
    http-request add-header X-Forwarded-For %[src]:%[src_port] unless six
    http-request set-header X-Forwarded-Proto HTTPS
    http-request del-header Forwarded""",
    "haproxy, Forwarded": """
    acl six src ::/0
    http-request add-header Forwarded for=\\"[%[src]]:%[src_port]\\";proto=https if six
    http-request add-header Forwarded for=%[src];proto=https unless six
    http-request del-header X-Forwarded-For
    http-request del-header X-Forwarded-Proto""",
}
# The one of two that the site trusts as well, behind one that says https
INNER: Final = {
    "nginx": """
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto "$http_x_forwarded_proto, http";""",
    "haproxy": """
    option forwardfor
    http-request add-header X-Forwarded-Proto http""",
}


@contextmanager
def proxy(directory: Path, way: str, site: int, *, of_two: str = "") -> Iterator[int]:
    """The port at which clients reach the site through this way, and through another program of INNER."""
    with ExitStack() as stack:
        own = PROXY
        if of_two:
            site = stack.enter_context(running(directory, of_two, INNER[of_two], site, PROXY, inner=True))
            own = OUTER
        program = way.partition(",")[0]
        yield stack.enter_context(running(directory, program, WAYS[way], site, own))


@contextmanager
def running(
    directory: Path, program: str, lines: str, site: int, own: str, *, inner: bool = False
) -> Iterator[int]:
    """The port of this program, which connects to the port of the site from its own address."""
    with bind(HOST, 0) as free:
        port = free.getsockname()[1]
    text = {"nginx": NGINX, "haproxy": HAPROXY}[program].format(
        directory=directory,
        host=HOST,
        port=port,
        site=site,
        own=own,
        lines=lines,
        accept="" if inner else "accept-proxy",
    )
    if inner:  # its peer speaks HTTP at once
        text = text.replace("real_ip_header proxy_protocol;", "").replace(" proxy_protocol;", ";")
    file = directory / f"{program}-{port}.conf"
    file.write_text(text)
    command = {
        "nginx": ["-c", str(file), "-p", str(directory), "-e", "stderr"],
        "haproxy": ["-db", "-q", "-f", str(file)],
    }[program]
    with subprocess.Popen([required(program), *command]) as process:
        try:
            wait_until(lambda: listens(process, port))
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


@dataclass
class Seen:
    status: int
    text: str
    location: str


@dataclass
class Caller:
    """A client of this address, each of whose requests comes from another port."""

    port: int
    address: str
    sends: dict[str, str] = field(default_factory=dict)  # headers with each request
    cookies: dict[str, str] = field(default_factory=dict)
    requests: int = 0

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> Seen:
        self.requests += 1
        family, local = ("TCP6", "2001:db8::1") if ":" in self.address else ("TCP4", "192.0.2.1")
        told = f"PROXY {family} {self.address} {local} {50_000 + self.requests} 443\r\n"
        sent = {"Host": "localhost", "Origin": "https://localhost"} | self.sends
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = HTTPConnection(HOST, self.port)
        connection.sock = socket.create_connection((HOST, self.port), PATIENCE)
        try:
            connection.sock.sendall(told.encode())
            connection.request(method, path, body, sent)
            return self._seen(connection.getresponse())
        finally:
            connection.close()

    def _seen(self, response: HTTPResponse) -> Seen:
        for cookie in response.headers.get_all("Set-Cookie") or []:
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(cookie).items()}
        return Seen(response.status, response.read().decode(), response.headers.get("Location", ""))

    def submit(self, path: str, **form: str) -> Seen:
        """With the token that the cookie has."""
        if "csrftoken" not in self.cookies:
            self.ask("GET", path)
        body = urlencode(form | {"csrfmiddlewaretoken": self.cookies["csrftoken"]})
        return self.ask("POST", path, body, Content_Type="application/x-www-form-urlencoded")
