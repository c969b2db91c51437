"""The organization's own links and commands with the facts of one device."""

from __future__ import annotations

from dataclasses import dataclass

from devices.models import Device, DeviceLink
from devices.rules import link_template


@dataclass(frozen=True)
class OwnLink:
    """One as it is shown: `opens` an address, or is a command to copy; or the `problem` why there is none."""

    name: str
    text: str
    problem: str
    opens: bool

    @property
    def in_new_tab(self) -> bool:
        """Whether a browser shows it; what another program opens would leave a tab without a page."""
        return self.text.startswith("http")


def own_links(device: Device) -> tuple[OwnLink, ...]:
    """The device links of its organization, in order of their names. One query.

    Reads the fleet and the organization of `device`, which had better be selected with it.
    """
    kept, values = DeviceLink.objects.filter(organization=device.organization_id), values_of(device)
    filled = [(link, link_template.fill(link.template, values)) for link in kept]
    return tuple(
        OwnLink(link.name, each.text, each.problem, link_template.is_address(link.template))
        for link, each in filled
    )


def values_of(device: Device) -> dict[str, str]:
    """The facts that a template may name (devices.rules.link_template); empty where the device lacks one."""
    return {
        "uuid": device.uuid,
        "short_uuid": device.short_uuid,
        "organization": device.organization.slug,
        "fleet": device.fleet.slug,
        "name": device.name,
        "ip": next(iter(device.ip_addresses), ""),
        "public_ip": device.public_address or "",
        "mac": next(iter(device.mac_addresses), ""),
        "type": device.device_type,
        "os_version": device.os_version,
        "release": device.release,
        **{f"{link_template.TAG}{tag}": value for tag, value in device.tags.items()},
    }
