"""What the Fleets page shows."""

from __future__ import annotations

import re


def counts_in(html: str) -> dict[str, int]:
    """The numbers of a piece of a page that link to devices of a status, by status; thin spaces left out."""
    found = re.findall(r'status=([a-z-]+)"[^>]*>.*?<b>([^<]+)</b>', html, re.DOTALL)
    return {slug: int(number.replace("\u2009", "")) for slug, number in found}


def row_of(html: str, slug: str) -> str:
    return html.split(f'id="fleet-{slug}"')[1].split("</tr>", maxsplit=1)[0]
