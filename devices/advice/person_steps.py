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


def steps(status: Status) -> tuple[Check, ...]:
    """The steps of a person for a status, in the words of the site: none for Online."""
    return tuple(Check(words.of_site(title), words.of_site(text)) for title, text in STEPS[status])
