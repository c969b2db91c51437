"""The facts and metrics that a virtual device reports."""

from __future__ import annotations

from random import Random

from .keyfile import FleetKeys

SUPERVISOR = "17.0.1"
MIB = 2**20
GIB = 2**30


def facts(fleet: FleetKeys, random: Random) -> dict[str, object]:
    """What an agent reports when it starts."""
    octets = (0xD8, 0x3A, 0xDD, *(random.getrandbits(8) for _ in range(3)))
    return {
        "os_version": fleet.os_version,
        "supervisor_version": SUPERVISOR,
        "release": fleet.releases[0],
        "ip_addresses": [f"10.{random.randint(0, 63)}.{random.randint(0, 255)}.{octets[-1]}"],
        "mac_addresses": [":".join(f"{octet:02X}" for octet in octets)],
        "provisioning_state": "",
        "provisioning_progress": None,
        "update_progress": None,
    }


def metrics(random: Random) -> dict[str, object]:
    """Random metrics, some of them beyond what is healthy; memory and storage in bytes."""
    return {
        "cpu_percent": round(random.uniform(3, 70), 1),
        "memory_used": random.randint(700, 3800) * MIB,
        "memory_total": 4096 * MIB,
        "storage_used": random.randint(6, 27) * GIB,
        "storage_total": 29 * GIB,
        "temperature": round(random.uniform(38, 82), 1),
        "undervolted": random.random() < 0.02,
    }
