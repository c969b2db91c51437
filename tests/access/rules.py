"""The roles, rules and entries that the table of permissions (tests/access/table.py) is written with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fleets.models import Role


class Who(StrEnum):
    """Who requests an address; members belong to the organization that it is about."""

    ANONYMOUS = "anonymous"
    OBSERVER = "observer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    OWNER = "owner"
    STRANGER = "owner of another organization"
    SUPERUSER = "superuser who is no member"


MEMBERS = {
    Role.OBSERVER: Who.OBSERVER,
    Role.OPERATOR: Who.OPERATOR,
    Role.ADMINISTRATOR: Who.ADMINISTRATOR,
    Role.OWNER: Who.OWNER,
}
SIGN_IN = "leads to the sign-in page"
ADMIN_SIGN_IN = "leads to the sign-in page of the admin"

# A status (302: leads elsewhere, as after something was done), or a sign-in page.
Outcome = int | str
Rule = dict[Who, Outcome]


def everybody(outcome: Outcome) -> Rule:
    return dict.fromkeys(Who, outcome)


def signed_in(outcome: Outcome) -> Rule:
    """Everybody with an account, for pages about the person."""
    return everybody(outcome) | {Who.ANONYMOUS: SIGN_IN}


def members(least: Role, outcome: Outcome) -> Rule:
    """Members whose role includes this one; other members get 403, and strangers get 404."""
    own = {who: outcome if role.includes(least) else 403 for role, who in MEMBERS.items()}
    return {Who.ANONYMOUS: SIGN_IN, **own, Who.STRANGER: 404, Who.SUPERUSER: 404}


def staff(outcome: Outcome) -> Rule:
    """Administrators of the site, for pages of the admin."""
    return everybody(ADMIN_SIGN_IN) | {Who.SUPERUSER: outcome}


NO = everybody(405)


@dataclass(frozen=True)
class Page:
    """The permissions of an address: who may GET and POST it, and the form that is posted.

    `data` and `named` are texts in which {NAME} stands for a fact of tests.access.world.World; `named`
    overrides what the parameters of the address are otherwise (World.facts under the parameter's name).
    `session` is set in everybody's session beforehand.
    """

    get: Rule
    post: Rule = field(default_factory=lambda: NO)
    data: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    session: Mapping[str, str] = field(default_factory=dict)
    signs_out: bool = False  # leading to the sign-in page is then no refusal
    files: Mapping[str, str] = field(default_factory=dict)  # the content of each
