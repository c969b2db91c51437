"""Who acts, as far as services and scopes know people; the table of people is the site's."""

from __future__ import annotations

from typing import Any, Protocol


class Actor(Protocol):
    """Whoever asks, signed in or not."""

    @property
    def pk(self) -> Any: ...

    @property
    def is_authenticated(self) -> bool: ...

    @property
    def is_superuser(self) -> bool: ...

    def get_username(self) -> str: ...


class Person(Actor, Protocol):
    """Somebody with an account, who can be a member and keep things of their own."""

    @property
    def email(self) -> str: ...

    @property
    def email_is_proven(self) -> bool: ...

    def get_full_name(self) -> str: ...
