"""The values of a target, checked by what its kind needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from devices.alerts import outbound, secrets
from devices.alerts.refusals import Invalid
from devices.alerts.transports import TRANSPORTS, Kind
from devices.alerts.transports.envelope import Field
from devices.models import AlertTarget
from fleets.models import Role

LONGEST: Final = 500  # characters of a value
LONGEST_NAME: Final = 60


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a target is to be. `values` are those of its transport's fields, secret or not, by name.

    A secret that is left out, or empty, stays as it is. `role`: of kind `role`, the least role.
    """

    kind: Kind
    name: str
    values: Mapping[str, str] = field(default_factory=dict)
    role: str = ""


def put(target: AlertTarget, wanted: Wanted, kept: Mapping[str, str]) -> None:
    """Put what is wanted into the target, which is not saved here. `kept`: its secrets so far.

    Raises Invalid, which names the field.
    """
    name = " ".join(wanted.name.split())
    if not name or len(name) > LONGEST_NAME:
        raise Invalid("name", f"Give it a name of at most {LONGEST_NAME} characters.")
    if (wanted.role in Role.values) != (target.kind == Kind.ROLE):
        raise Invalid("role", "Choose a role.")
    fields = TRANSPORTS[Kind(target.kind)].fields
    values = {one.name: _checked(one, wanted.values.get(one.name, ""), kept) for one in fields}
    target.name, target.role = name, wanted.role
    target.configuration = {
        one.name: values[one.name] for one in fields if not one.secret and values[one.name]
    }
    own = {one.name: values[one.name] for one in fields if one.secret and values[one.name]}
    secrets.write(target, own | {name: value for name, value in kept.items() if name not in own})


def _checked(one: Field, value: str, kept: Mapping[str, str]) -> str:
    value = value.strip() or (kept.get(one.name, "") if one.secret else "")
    if not value and one.required:
        raise Invalid(one.name, f"{one.label} is required.")
    if len(value) > LONGEST or not value.isprintable():
        raise Invalid(one.name, f"{one.label} has at most {LONGEST} characters, on one line.")
    check = outbound.checked if one.address else one.check
    if value and check:
        try:
            check(value)
        except outbound.NotAllowed as error:
            raise Invalid(one.name, str(error)) from error
    if value and one.name == "address":
        try:
            validate_email(value)
        except ValidationError as error:
            raise Invalid(one.name, "This is no e-mail address.") from error
    return value
