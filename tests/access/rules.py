"""What the table of who may (tests/access/table.py) is written with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fleets.models import Role


class Who(StrEnum):
    """Who asks. Members are of the organization that an address is about."""

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
    """Whoever has an account, for what is about the person."""
    return everybody(outcome) | {Who.ANONYMOUS: SIGN_IN}


def members(least: Role, outcome: Outcome) -> Rule:
    """Members whose role includes this one; others are refused, and for strangers there is no such page."""
    own = {who: outcome if role.includes(least) else 403 for role, who in MEMBERS.items()}
    return {Who.ANONYMOUS: SIGN_IN, **own, Who.STRANGER: 404, Who.SUPERUSER: 404}


def staff(outcome: Outcome) -> Rule:
    """The admin's pages."""
    return everybody(ADMIN_SIGN_IN) | {Who.SUPERUSER: outcome}


NO = everybody(405)


@dataclass(frozen=True)
class Page:
    """Who may GET and POST, and what is posted.

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
