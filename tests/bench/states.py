"""What a supervisor knows of its state before a poll: the entity tag of the last answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def entity_tags(url: str, devices: int) -> Iterator[Path | None]:
    yield None
