"""What the app of the ingest offers to the server that runs it, in the state of its lifespan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgiref.typing import HTTPScope

AT_ONCE: Final = "at_once"  # the key of a Takes


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A response, whole. The same object is given for all that have the same."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Takes(Protocol):
    """Answers some requests without a task."""

    def take(self, scope: HTTPScope, answered: Callable[[Answer | None], None]) -> bool:
        """Whether a request was taken.

        Then `answered` is called once, later; None: it is to be served as any other request.
        """
