"""The steps that a person takes to find out what is wrong with a device, by its status (help.md)."""

from __future__ import annotations

from dataclasses import dataclass

from devices import words
from devices.rules.vocabulary import Status


@dataclass(frozen=True)
class Check:
    """A step to take; `answered`: the server took it, and `text` is what it found."""

    title: str
    text: str
    answered: bool = False


# The steps (title, text) for each status, the most likely first.
STEPS: dict[Status, tuple[tuple[str, str], ...]] = {
    Status.ONLINE: (),
    Status.VPN_ONLY: (
        (
            "Is the agent running?",
            "Look at the agent's service and journal over SSH. It is usually stopped or crashing.",
        ),
        (
            "Disk and container engine",
            "A full disk or a stopped container engine keeps the agent from starting.",
        ),
        (
            "Clock and HTTPS to the API",
            "A wrong date breaks TLS; a firewall may block HTTPS. Upgrade an old agent.",
        ),
    ),
    Status.HEARTBEAT_ONLY: (
        (
            "Firewall or proxy at the site",
            "TCP port 443 to the {vpn} server must be open (or UDP 1194 if that is configured).",
        ),
        ("Clock and names", "NTP (UDP 123) and DNS (UDP 53) must work for the {vpn} to connect."),
        (
            "The {vpn} client's journal",
            "Connect to the device from another one on the same network and read it.",
        ),
    ),
    Status.OFFLINE: (
        (
            "Power and network at the site",
            "Check cable, Wi-Fi and router. Try to reach it from another device on its network.",
        ),
        ("If it stays offline", "Deactivate it. Its next contact activates it again."),
    ),
    Status.CONFIGURING: (
        (
            "Wait a few minutes",
            "If it is stuck, check the OS update log on the device, its network and its disk.",
        ),
    ),
    Status.UPDATING: (
        ("Download speed and free disk", "Both decide how long an update takes."),
        ("An update lock", "While an application holds one, the update is downloaded, but not installed."),
    ),
    Status.POST_PROVISIONING: (
        (
            "Restart it without its install medium",
            "It restarts in this state and then starts from its own storage.",
        ),
        (
            "Network credentials in the image",
            "A device that never reports may lack them, or it was switched off too early.",
        ),
    ),
    Status.INACTIVE: (
        ("Switch it on", "Its first contact activates it. Its image must contain this device's key."),
    ),
    Status.FROZEN: (
        (
            "Free a place",
            "Deactivate or delete a device, raise the allowance, change the {fleet} type or plan, or pay.",
        ),
    ),
}


# Of devices that lost the VPN since their server stopped reporting, whatever their status.
SERVER_STEPS = (
    (
        "Is the {vpn} server running?",
        "Look at its service, its journal and its network. The devices are not at fault.",
    ),
    ("Does it reach Lookout?", "It sends life signs to the API. A firewall or a wrong key may refuse them."),
)


def steps(status: Status, *, server_silent: bool = False) -> tuple[Check, ...]:
    """The steps of a person for a status, in the words of the site: none for Online.

    `server_silent`: only the VPN server is at fault, which stopped reporting.
    """
    found = SERVER_STEPS if server_silent else STEPS[status]
    return tuple(Check(words.of_site(title), words.of_site(text)) for title, text in found)
