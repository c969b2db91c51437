"""What a token may see of a source, in words: before it is saved, and whenever somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from devices.sources import ladder, reading
from devices.sources.client import Api, Refused
from devices.sources.ladder import Known
from devices.words import thousands

USER = "user"


@dataclass(frozen=True)
class Seen:
    """What a token sees: whose it is, and the slugs of the fleets that would be read."""

    username: str
    fleets: tuple[str, ...]
    known: Known

    @property
    def words(self) -> str:
        """A sentence for an operator."""
        if not self.fleets:
            return f"The token of {self.username} is accepted, but it sees no fleet."
        if len(self.fleets) == 1:
            return f"The token of {self.username} is accepted, and sees the fleet {self.fleets[0]}."
        number = thousands(len(self.fleets))
        named = ", ".join(self.fleets[:5]) + (" and others" if len(self.fleets) > 5 else "")
        return f"The token of {self.username} is accepted, and sees {number} fleets: {named}."


def check(address: str, token: str, only: Collection[str] = ()) -> Seen:
    """Ask the API at `address` what this token sees, of the fleets `only` where any are given.

    Raises Failed, whose text is a sentence: the token is no token of a user, or the API cannot be read.
    """
    return asyncio.run(_check(address, token, only))


async def _check(address: str, token: str, only: Collection[str]) -> Seen:
    async with Api(address, token) as api:
        person = await reading.whoami(api)
        if person.actorType != USER:
            raise Refused("This is the key of a device or of a fleet. Enter an API key that a user created.")
        known = await ladder.known_parts(api)
        found = await reading.applications(api, known, only)
        return Seen(person.username, tuple(sorted(row.slug for row in found.values())), known)
