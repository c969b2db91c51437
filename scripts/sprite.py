"""Write static/sprite.svg from an unpacked @tabler/icons package: scripts/sprite.py PACKAGE_DIRECTORY.

Symbols are named by what they mean, so that nothing else maps a status or a link state to a picture.
"""

import re
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "static" / "sprite.svg"

# Meaning -> Tabler icon. A name ending in "-filled" comes from the filled set.
MEANINGS = {
    "status-online": "circle-check-filled",
    "status-vpn-only": "shield-half-filled",
    "status-heartbeat-only": "heart-filled",
    "status-offline": "square-x-filled",
    "status-configuring": "settings-filled",
    "status-updating": "refresh",
    "status-post-provisioning": "hourglass-filled",
    "status-inactive": "circle-dashed",
    "status-frozen": "snowflake",
}
# The two links, drawn on the outlines of Tabler's shield and heart so that their states differ in the whole
# shape and not in a corner: well is an outline, lost is filled, never seen is dashed, not used is struck out.
SHIELD = '<path d="M12 3a12 12 0 0 0 8.5 3a12 12 0 0 1 -8.5 15a12 12 0 0 1 -8.5 -15a12 12 0 0 0 8.5 -3"{}/>'
HEART = '<path d="M19.5 12.572l-7.5 7.428l-7.5 -7.428a5 5 0 1 1 7.5 -6.566a5 5 0 1 1 7.5 6.572"{}/>'
SOLID, DASHED = ' fill="currentColor"', ' stroke-dasharray="2.4 3.6"'
CROSS = '<path d="M9.2 8.7l5.6 5.6m0 -5.6l-5.6 5.6" stroke="var(--surface)" stroke-width="2.4"/>'
WARNING = '<path d="M12 8.2v4.2m0 3.4v.01"/>'
LINKS = {
    "vpn-connected": SHIELD.format("") + '<path d="M8.6 11.8l2.4 2.4l4.4 -4.4"/>',
    "vpn-lost": SHIELD.format(SOLID) + CROSS,
    "vpn-unknown": SHIELD.format(DASHED),
    "vpn-off": SHIELD.format("") + '<path d="M3 3l18 18"/>',
    "heartbeat-recent": HEART.format("") + '<path d="M7 11.6h2.6l1.6 -2.6l2 4.4l1.4 -1.8h2.4"/>',
    "heartbeat-overdue": HEART.format("") + WARNING,
    "heartbeat-late": HEART.format("") + WARNING,
    "heartbeat-lost": HEART.format(SOLID) + CROSS,
    "heartbeat-unknown": HEART.format(DASHED),
}
# Shown under their own Tabler name.
PLAIN = (
    "alert-circle-filled",
    "alert-octagon-filled",
    "alert-triangle-filled",
    "arrow-narrow-right",
    "arrows-sort",
    "bell",
    "bell-off",
    "bell-ringing",
    "bookmark",
    "calendar-event",
    "check",
    "chevron-down",
    "chevron-up",
    "circle-check-filled",
    "clock-exclamation",
    "clock-hour-4",
    "cloud-off",
    "columns-3",
    "copy",
    "device-desktop-plus",
    "download",
    "filter-off",
    "info-circle",
    "info-circle-filled",
    "key",
    "lock",
    "pencil",
    "player-pause",
    "player-play",
    "plug-connected",
    "plus",
    "power",
    "question-mark",
    "refresh-alert",
    "search",
    "selector",
    "send",
    "settings",
    "stack-push",
    "tag",
    "trash",
    "trending-up",
    "user-check",
    "x",
)
STROKED = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
FILLED = 'fill="currentColor"'


def symbol(package: Path, name: str, icon: str) -> str:
    """Return one <symbol>; raises FileNotFoundError where the package has no such icon."""
    filled = icon.endswith("-filled")
    folder = "filled" if filled else "outline"
    text = (package / "icons" / folder / f"{icon.removesuffix('-filled')}.svg").read_text()
    found = re.search(r"<svg[^>]*>(.*)</svg>", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL), re.DOTALL)
    if found is None:
        raise ValueError(f"{icon} holds no <svg> element")
    body = re.sub(r"\s+", " ", found.group(1)).replace("> <", "><").strip()
    body = re.sub(r'<path stroke="none" d="M0 0h24v24H0z" fill="none" ?/>', "", body)
    return f'<symbol id="{name}" viewBox="0 0 24 24" {FILLED if filled else STROKED}>{body}</symbol>'


def links() -> list[str]:
    """The symbols of the two links."""
    return [
        f'<symbol id="{name}" viewBox="0 0 24 24" {STROKED}>{body}</symbol>' for name, body in LINKS.items()
    ]


def main() -> None:
    """Write the sprite from the package directory named on the command line."""
    package = Path(sys.argv[1])
    icons = MEANINGS | {name: name for name in PLAIN}
    symbols = "\n".join([*(symbol(package, name, icon) for name, icon in icons.items()), *links()])
    TARGET.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">\n{symbols}\n</svg>\n')


if __name__ == "__main__":
    main()
