"""What people, devices and virtual devices do at the whole site, and every secret that is in play."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from tests.security.visitor import HOST, PROXIED, Visitor, call
from tests.security.whole_site import WholeSite

PASSWORD: Final = "password-of-the-first-0123"
TYPED_WRONG: Final = "password-typed-wrong-0123"
OTHER_PASSWORD: Final = "password-of-the-guest-0123"
API_SECRET: Final = "api-secret-in-a-report-0123456789"
CHOSEN: Final = "a-key-that-a-device-chose-0123456789-0123456789"
WRONG_KEY: Final = "a-key-that-nobody-accepts-0123456789"
UUID: Final = "ab" * 16


@dataclass
class Story:
    """What was done, and every secret that was in play."""

    site: WholeSite
    owner: Visitor
    guest: Visitor
    secrets: dict[str, str] = field(default_factory=dict)

    def keep(self, what: str, secret: str) -> str:
        assert len(secret) > 10, what
        self.secrets[what] = secret
        return secret


def people_come(story: Story) -> None:
    """The first account, a fleet, keys, a device, an invitation that is accepted, a wrong password."""
    owner, keep = story.owner, story.keep
    welcome = owner.get("/")
    code = keep("code of the first run", story.site.run("first_code"))
    account = {"username": "first", "email": "first@people.example", "organization": "Ours"}
    account["password"] = keep("password", PASSWORD)
    wrong = owner.submit(welcome, "code", code=keep("wrong code", "AAAA-BBBB-CCCC"), **account)
    assert "This is not the code" in wrong.text
    assert owner.submit(wrong, "code", code=code, **account).address == "/"
    owner.submit(owner.get("/settings/ours/fleets/new/"), "slug", name="Pumps", slug="pumps")
    keys = owner.submit(owner.get("/fleets/pumps/keys/"), "days", name="image")
    keep("provisioning key", keys.shown("new-key"))
    keep("service key", owner.submit(owner.get("/settings/ours/keys/"), "days", name="vpn").shown("new-key"))
    made = owner.submit(owner.get("/fleets/pumps/preregister/"), "uuid", name="pump-1", uuid=UUID)
    keep("device key", made.shown("new-key"))
    invite = owner.submit(owner.get("/settings/ours/members/invite/"), "days", role="observer")
    link = urlsplit(invite.shown("new-link"))
    keep("invitation", link.path.split("/")[2])
    for host, status in ((HOST, 403), ("evil.example", 400)):
        refused = call(story.site.port, "POST", link.path, headers=PROXIED | {"Host": host})
        assert refused.status == status
    join = story.guest.get(link.path)
    assert join.address == "/join/"
    guest = {"username": "guest", "email": "guest@people.example"}
    story.guest.submit(join, "username", password=keep("other password", OTHER_PASSWORD), **guest)
    assert "This invitation is not valid" in Visitor(story.site.port).get("/invitations/made-up/").text
    used = Visitor(story.site.port).get(link.path)
    assert used.status == 410
    story.guest.submit(story.guest.get("/"), "csrfmiddlewaretoken")
    stranger = Visitor(story.site.port)
    sign_in = stranger.get("/")
    names = [name for name in sign_in.page().form_with("password").names if name in {"username", "login"}]
    said = {names[0]: "first", "password": keep("wrong password", TYPED_WRONG)}
    assert stranger.submit(sign_in, "password", **said).status in {200, 400}
    story.secrets |= {f"stranger's token {token[:8]}": token for token in stranger.tokens}


def bearer(key: str) -> dict[str, str]:
    return {"Host": HOST, "Authorization": f"Bearer {key}"}


def devices_call(story: Story) -> None:
    """Every way in which a key comes, granted and refused, at both doors."""
    known, doors = dict(story.secrets), (story.site.port, story.site.ingest)
    for number, port in enumerate(doors):
        kept = devices_register(story, port, number)
        for key in (known["device key"], kept, WRONG_KEY):
            report = json.dumps({UUID: {"os_version": "1", "api_secret": API_SECRET, "api_port": 48484}})
            for path in (f"/device/v3/{UUID}/state", f"/v7/device?$select=id&$filter=uuid%20eq%20'{UUID}'"):
                call(port, "GET", f"{path}{'&' if '?' in path else '?'}apikey={key}", headers={"Host": HOST})
                call(port, "GET", path, headers=bearer(key))
            call(port, "PATCH", f"/device/v3/state?apikey={key}", report, {"Host": HOST})
            call(port, "PATCH", "/device/v3/state", report, bearer(key))
            call(port, "PATCH", "/api/v1/report", '{"release": 7}', bearer(key))
            call(port, "PATCH", "/api/v1/report", '{"api_secret": "' + API_SECRET, bearer(key))
            call(port, "POST", f"/api/v1/nothing?apikey={key}", "", bearer(key))
            call(port, "POST", f"/nothing/?apikey={key}", "", bearer(key))
            call(port, "GET", f"/sign-in/?next=/?apikey={key}", headers=PROXIED)
        server = json.dumps({"server": "vpn-1", "devices": [UUID]})
        assert call(port, "POST", "/api/v1/vpn/connect", server, bearer(known["service key"])).status == 200
        assert call(port, "POST", "/api/v1/heartbeat", "", bearer(known["device key"])).status == 200


def devices_register(story: Story, port: int, number: int) -> str:
    """By both dialects, the second with a key of the device's own, also one that is taken."""
    provisioning = story.secrets["provisioning key"]
    native = call(port, "POST", "/api/v1/register", '{"name": "pump-2"}', bearer(provisioning))
    key = story.keep(f"key of a device that registered {number}", json.loads(native.body)["key"])
    for chosen in (f"{CHOSEN}{number}", CHOSEN * 10 + "\0", "short"):
        said = {"application": 1, "uuid": f"{number:032x}", "device_type": "pi", "api_key": chosen}
        call(port, "POST", f"/device/register?apikey={provisioning}", json.dumps(said), {"Host": HOST})
    return key


def virtual_devices_live(story: Story) -> None:
    """The demo's organization, and its devices for some seconds at the site."""
    site = story.site
    site.run("demo_data")
    made = json.loads((site.state / "demo.json").read_text())
    story.secrets |= {f"of the demo: {what}": secret for what, secret in secrets_in(made)}
    url = f"http://127.0.0.1:{site.port}"
    lives = ("--devices", "8", "--duration", "4", "--speed", "40", "--poll-interval", "1")
    assert site.start("simulator", "manage.py", "simulate", "--url", url, *lives).wait(60) == 0
    kept = json.loads((site.state / "simulator.json").read_text())
    story.secrets |= {f"of the simulator: {what}": secret for what, secret in secrets_in(kept)}


def secrets_in(kept: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """What a file of keys calls a key or a password."""
    if isinstance(kept, str):
        if re.search("key|password|secret", name):
            yield f"{name} {kept[:6]}", kept
    elif isinstance(kept, dict | list):
        for part, value in kept.items() if isinstance(kept, dict) else enumerate(kept):
            yield from secrets_in(value, name if isinstance(kept, list) else str(part))
