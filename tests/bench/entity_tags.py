"""The entity tags of target states, which supervisors send with a poll so that it is answered 304."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from devices import clock, keys
from devices.ingest.supervisor import state as supervisor_state
from tests.bench.fill import key_of, uuid_of

BATCH = 5000


@contextmanager
def entity_tags(url: str, devices: int) -> Iterator[Path]:
    """A file with one line for each device, in order and of equal length, while this block runs.

    RuntimeError where the server at `url` has other tags.
    """
    with NamedTemporaryFile("w", prefix="entity-tags-") as file:
        for first in range(1, devices + 1, BATCH):
            numbers = range(first, min(first + BATCH, devices + 1))
            file.writelines(f"{tag}\n" for tag in tags_of(numbers))
        file.flush()
        require_unchanged(url, devices, tags_of(range(devices, devices + 1))[0])
        yield Path(file.name)


def tags_of(numbers: range) -> list[str]:
    """The entity tags of these devices, computed here, as a million requests would take minutes."""
    found = keys.find_devices([key_of(number) for number in numbers], clock.now())
    states = (supervisor_state.target3(found[key_of(number)]) for number in numbers)
    return [supervisor_state.with_tag(state)[1].decode() for state in states]


def require_unchanged(url: str, device: int, tag: str) -> None:
    """Poll once as this device; raises RuntimeError or HTTPError if the answer is not 304."""
    headers = {"Authorization": f"Bearer {key_of(device)}", "If-None-Match": tag}
    request = urllib.request.Request(f"{url}/device/v3/{uuid_of(device)}/state", headers=headers)  # noqa: S310 - http
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            raise RuntimeError(f"The server's entity tag is {answer.headers['ETag']}, not {tag}")
    except urllib.error.HTTPError as answered:
        if answered.code != 304:
            raise
