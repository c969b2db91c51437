"""A browser of a few lines: it keeps cookies, fills forms in, and remembers what it asked for."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPConnection, HTTPMessage
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

from tests.security.html import Html

HOST: Final = "lookout.example"
# As a proxy that ends TLS passes a request on.
PROXIED: Final = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
FORM: Final = "application/x-www-form-urlencoded"


class Seen:
    """An answer."""

    def __init__(self, address: str, status: int, headers: HTTPMessage, body: bytes) -> None:
        self.address, self.status, self.headers, self.body = address, status, headers, body

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def kind(self) -> str:
        return str(self.headers.get("Content-Type", "")).partition(";")[0]

    @property
    def cookies(self) -> list[str]:
        return self.headers.get_all("Set-Cookie") or []

    def page(self) -> Html:
        return Html(self.text)

    def shown(self, name: str) -> str:
        """What stands in the element of this id, as a key that is shown once."""
        return self.text.partition(f'id="{name}">')[2].partition("<")[0]


def call(
    port: int, method: str, path: str, body: bytes | str = b"", headers: Mapping[str, str] = PROXIED
) -> Seen:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body or None, dict(headers))
        response = connection.getresponse()
        return Seen(path, response.status, response.headers, response.read())
    finally:
        connection.close()


class Visitor:
    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        self.addresses: list[str] = []  # that were asked for, or led to
        self.tokens: set[str] = set()  # of sessions and forms
        self._last = f"https://{HOST}/"

    def get(self, path: str) -> Seen:
        """The page at this address, or where it leads."""
        return self._follow(self._ask("GET", path))

    def submit(self, seen: Seen, field: str, **said: str) -> Seen:
        """Send the form that has this field, with what it holds otherwise, and go where that leads."""
        form = seen.page().form_with(field)
        body = urlencode(form.fields | said)
        return self._follow(self._ask("POST", form.action or seen.address, body))

    def _ask(self, method: str, path: str, body: str = "") -> Seen:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = PROXIED | {"Cookie": cookies, "Referer": self._last, "Origin": f"https://{HOST}"}
        seen = call(self.port, method, path, body, headers | ({"Content-Type": FORM} if body else {}))
        self.addresses += [path, seen.headers.get("Location", "")]
        self._last = urljoin(f"https://{HOST}/", path)
        self._note(seen)
        return seen

    def _follow(self, seen: Seen) -> Seen:
        for _ in range(5):
            if seen.status not in {301, 302}:
                return seen
            parts = urlsplit(urljoin(seen.address, seen.headers["Location"]))
            assert parts.netloc in {"", HOST}
            seen = self._ask("GET", parts._replace(scheme="", netloc="").geturl())
        raise AssertionError("led round in a circle")

    def _note(self, seen: Seen) -> None:
        for text in seen.cookies:
            for name, morsel in SimpleCookie(text).items():
                self.cookies[name] = morsel.value
                if name in {"sessionid", "csrftoken", "messages"} and len(morsel.value) > 15:
                    self.tokens.add(morsel.value)
        if seen.kind == "text/html":
            self.tokens |= {
                form.fields["csrfmiddlewaretoken"]
                for form in seen.page().forms
                if "csrfmiddlewaretoken" in form.fields
            }
