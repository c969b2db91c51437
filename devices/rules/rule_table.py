"""The type of a rule: a status, and the condition over a device's facts under which a device has it.

In a condition `vpn` and `heartbeat` stand for the two links, so that one table of rules serves the recorded
links and the links at any moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, TextChoices

# The recorded facts of the two links, by the names they have in the rules.
RECORDED_LINKS = {"vpn": "vpn_connected", "heartbeat": "heartbeat_state"}


@dataclass(frozen=True)
class Rule:
    """One row of a rule table: a status, the condition under which it applies, and a sentence that says why.

    In a table the first rule whose condition holds applies.
    """

    status: TextChoices
    condition: Q
    sentence: str

    @property
    def facts(self) -> set[str]:
        """The names of the facts in the condition; both links for the last rule, whose condition is empty."""
        return _facts(self.condition) or {"vpn", "heartbeat"}

    @property
    def recorded(self) -> Q:
        """The condition over the recorded links."""
        return _over_recorded_links(self.condition)


def _facts(condition: Q) -> set[str]:
    names: set[str] = set()
    for child in condition.children:
        names |= _facts(child) if isinstance(child, Q) else {_lookup(child)[0].split("__")[0]}
    return names


def _over_recorded_links(condition: Q) -> Q:
    renamed = Q(_connector=condition.connector, _negated=condition.negated)
    for child in condition.children:
        if isinstance(child, Q):
            renamed.children.append(_over_recorded_links(child))
        else:
            path, value = _lookup(child)
            name, *lookup = path.split("__")
            renamed.children.append(("__".join([RECORDED_LINKS.get(name, name), *lookup]), value))
    return renamed


def _lookup(child: Any) -> tuple[str, Any]:
    """The name (with its lookup) and the value of a leaf of a Q."""
    name, value = child
    return name, value
