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
            "Look at its service and its journal on the device. It is usually stopped or crashing.",
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
# Those that differ for devices that are read from a source, with the {host} of its API: it is in charge.
MIRRORED_STEPS: dict[Status, tuple[tuple[str, str], ...]] = {
    Status.HEARTBEAT_ONLY: (
        ("Firewall or proxy at the site", "TCP port 443 to the {vpn} server of {host} must be open."),
        *STEPS[Status.HEARTBEAT_ONLY][1:],
    ),
    Status.OFFLINE: (
        STEPS[Status.OFFLINE][0],
        (
            "If it stays offline",
            "Mute it here, so that nobody is told of it. {host} decides whether it is still in service.",
        ),
    ),
    Status.INACTIVE: (
        ("Switch it on", "{host} is in charge of its image, its key and whether it is active."),
    ),
    Status.FROZEN: (
        (
            "Free a place",
            "Raise the allowance, change the plan, or pay. It is frozen here alone, and not at {host}.",
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
MIRRORED_SERVER_STEPS = (
    SERVER_STEPS[0],
    ("Does it reach {host}?", "It sends life signs to the API there. A firewall may keep them away."),
)


def steps(status: Status, *, server_silent: bool = False, host: str = "") -> tuple[Check, ...]:
    """The steps of a person for a status, in the words of the site: none for Online.

    `server_silent`: only the VPN server is at fault, which stopped reporting. `host`: of the source that is
    in charge of the device, if one is.
    """
    found = MIRRORED_STEPS.get(status, STEPS[status]) if host else STEPS[status]
    if server_silent:
        found = MIRRORED_SERVER_STEPS if host else SERVER_STEPS
    return tuple(
        Check(words.of_site(title, host=host), words.of_site(text, host=host)) for title, text in found
    )
