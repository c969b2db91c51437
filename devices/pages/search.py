"""Text search over devices: beginnings of words in name, addresses, tags and notes, and of the UUID."""

from __future__ import annotations

import re

from django.db.models import Func, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast

from devices.models import Device
from fleets.text_search import WordVector, beginnings, words_of

UUID_BEGINNING = re.compile(r"[0-9a-f]{3,62}")


def _text() -> Func:
    """All that is searched, in one text; what is null is left out."""
    return Func(
        Value(" "),
        "name",
        "notes",
        Cast("tags", TextField()),
        Func("ip_addresses", Value(" "), function="array_to_string", output_field=TextField()),
        Func("public_address", function="host", output_field=TextField()),
        function="concat_ws",
        output_field=TextField(),
    )


def search(devices: QuerySet[Device], text: str) -> QuerySet[Device]:
    """Those of `devices` in which every word of `text` begins a word, or the UUID."""
    words = words_of(text)
    if not words:
        return devices
    devices = devices.alias(words=WordVector(_text()))
    for word in words:
        found = Q(words=beginnings(word))
        if UUID_BEGINNING.fullmatch(word):
            found |= Q(uuid__startswith=word)
        devices = devices.filter(found)
    return devices
