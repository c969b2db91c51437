"""The types of people for services and permissions; the model of accounts is in `dashboard`."""

from __future__ import annotations

from typing import Any, Protocol


class Actor(Protocol):
    """The person of a request, signed in or not."""

    @property
    def pk(self) -> Any: ...

    @property
    def is_authenticated(self) -> bool: ...

    @property
    def is_superuser(self) -> bool: ...

    def get_username(self) -> str: ...


class Person(Actor, Protocol):
    """A person with an account, who can be a member of organizations and own views and jobs."""

    @property
    def email(self) -> str: ...

    @property
    def email_is_proven(self) -> bool: ...

    def get_full_name(self) -> str: ...
