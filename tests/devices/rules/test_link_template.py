"""Templates of device links: what may be kept, and what a device's facts make of it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ValidationError

from devices.rules.link_template import NAMES, Filled, checked, fill, is_address


@pytest.mark.parametrize(
    "template",
    [
        "ssh://{ip}",
        "ssh://root@{ip}:2222",
        "https://grafana.example/d/x?var-device={uuid}&site={tag:site}",
        "http://{public_ip}:{tag:port}/status",
        "ssh root@{ip}",
        'ssh root@{ip} "journalctl -u app --since=-1h"',
        "lookout-shell",
    ],
)
def test_an_address_or_a_command_with_known_names_is_kept_as_it_is(template: str) -> None:
    assert checked(template) == template


def test_every_name_that_is_offered_is_known() -> None:
    template = " ".join(f"{{{name}}}" for name in NAMES)
    assert checked(template) == template


def test_a_scheme_is_kept_in_lower_case() -> None:
    assert checked("HTTPS://Wiki.example/{Tag}".replace("{Tag}", "{tag:A}")) == "https://Wiki.example/{tag:A}"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("ssh {ipaddr}", "{ipaddr} is not known."),
        ("https://x.example/{device.organization}", "{device.organization} is not known."),
        ("https://x.example/{}", "{} is not known."),
        ("https://x.example/{tag:}", "{tag:} is not known."),
        ("https://x.example/{uuid", "a brace without a name"),
        ("https://x.example/{{uuid}}", "a brace without a name"),
        ("javascript:alert(1)", "this begins with javascript:"),
        ("JavaScript:alert(1)", "this begins with JavaScript:"),
        ("data:text/html,{name}", "this begins with data:"),
        ("file:///etc/passwd", "this begins with file:"),
        ("https:/x.example", "this begins with https:"),
        ("https://", "not complete"),
        ("https:///{uuid}", "not complete"),
        ("https://x.example:99999/", "not complete"),
        ("https://x.example/a b", "not complete"),
        ("https://x.example\\@y.example/", "not complete"),
        ("http://[{ip}]/", "not complete"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_is_wrong(template: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        checked(template)
    assert said in refused.value.messages[0]


EVIL = "a b&c=d#e?f/g%h\"<i>'é"


def test_each_value_is_encoded_in_an_address() -> None:
    filled = fill("https://x.example/d/{name}?site={tag:site}#at", {"name": EVIL, "tag:site": "a&b"})
    parts = urlsplit(filled.text)
    assert filled.problem == ""
    assert (parts.netloc, parts.fragment, parts.query) == ("x.example", "at", "site=a%26b")
    assert parts.path == "/d/a%20b%26c%3Dd%23e%3Ff%2Fg%25h%22%3Ci%3E%27%C3%A9"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("10.20.4.17", "ssh://root@10.20.4.17:22"),
        ("kiosk-1.example", "ssh://root@kiosk-1.example:22"),
        ("2001:db8::7", "ssh://root@[2001:db8::7]:22"),
        ("fe80::1%eth0", "ssh://root@[fe80::1]:22"),
    ],
)
def test_a_host_or_an_ip_address_may_stand_in_the_host(value: str, text: str) -> None:
    assert fill("ssh://root@{ip}:22", {"ip": value}) == Filled(text)


@pytest.mark.parametrize("value", ["-oProxyCommand=x", "a@evil.example", "evil.example/", "a b", "é", "1:2"])
def test_what_is_no_host_does_not_stand_in_one(value: str) -> None:
    filled = fill("https://{name}.example/{uuid}", {"name": value, "uuid": "a"})
    assert filled.text == ""
    assert filled.problem == (
        "The link is not shown, because the value of {name} cannot stand there in an address."
    )


@pytest.mark.parametrize("value", [".", "..", "..."])
def test_dots_lead_to_no_other_level_of_an_address(value: str) -> None:
    assert fill("https://x.example/{tag:site}/", {"tag:site": value}).text == ""


@pytest.mark.parametrize("value", ["10.20.4.17", "fe80::1%eth0", "kiosk_1", "a+b=c,d@e/f.g-h"])
def test_a_plain_value_stands_in_a_command(value: str) -> None:
    assert fill("ssh root@{ip} -p 22", {"ip": value}) == Filled(f"ssh root@{value} -p 22")


@pytest.mark.parametrize(
    "value",
    [
        "a b",
        "$(reboot)",
        "`reboot`",
        "a;b",
        "a|b",
        "a&b",
        "a>b",
        "a'b",
        'a"b',
        "a\\b",
        "a\nb",
        "~",
        "*",
        "-rf",
        "é",
    ],
)
def test_what_a_shell_could_read_otherwise_stands_in_no_command(value: str) -> None:
    filled = fill('ssh {ip} "log {name}"', {"ip": "10.0.0.1", "name": value})
    assert filled.text == ""
    assert filled.problem == ("The command is not shown, because a shell could misread the value of {name}.")


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("ssh://{ip}", "The device has not reported a local IP."),
        ("ssh {public_ip}", "The device has no public IP yet."),
        ("https://x.example/{uuid}/{tag:site}", "The device has no value for the tag “site”."),
    ],
)
def test_a_fact_that_the_device_lacks_is_named(template: str, problem: str) -> None:
    assert fill(template, {"uuid": "a", "ip": "", "tag:spare": ""}) == Filled(problem=problem)


def test_a_value_is_never_taken_for_a_name() -> None:
    assert fill("https://x.example/{name}", {"name": "{uuid}", "uuid": "a"}).text.endswith("/%7Buuid%7D")


def test_what_was_never_checked_is_no_address() -> None:
    assert not is_address("javascript://x/%0Aalert(1)")
    assert not is_address(" https://x.example/")
