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
    "vpn-connected": "shield-check",
    "vpn-lost": "shield-x",
    "vpn-unknown": "shield-question",
    "vpn-off": "shield-off",
    "heartbeat-recent": "heartbeat",
    "heartbeat-overdue": "heart-exclamation",
    "heartbeat-late": "heart-exclamation",
    "heartbeat-lost": "heart-x",
    "heartbeat-unknown": "heart-question",
}
# Shown under their own Tabler name.
PLAIN = (
    "alert-circle-filled",
    "alert-triangle-filled",
    "arrow-narrow-right",
    "arrows-sort",
    "bookmark",
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
    "key",
    "lock",
    "pencil",
    "player-pause",
    "player-play",
    "plug-connected",
    "plus",
    "power",
    "question-mark",
    "search",
    "selector",
    "settings",
    "stack-push",
    "tag",
    "trash",
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


def main() -> None:
    """Write the sprite from the package directory named on the command line."""
    package = Path(sys.argv[1])
    icons = MEANINGS | {name: name for name in PLAIN}
    symbols = "\n".join(symbol(package, name, icon) for name, icon in icons.items())
    TARGET.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">\n{symbols}\n</svg>\n')


if __name__ == "__main__":
    main()
