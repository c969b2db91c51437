"""Freezing: which devices of an organization its plan freezes, and in which order (domain.md, Freezing).

Whatever changes an input of the rule calls `locks.hold` before it takes any other lock, and `refreeze` at its
end, in one transaction: such changes wait for each other at the organization's row.
"""

from devices.freezing.freeze import Tell, hold_for_contact, refreeze, refreeze_activated
from devices.freezing.plan import change_plan, plan_version
from devices.freezing.queue import Named, next_turns, position_in_line
from devices.freezing.rule import reason_in

__all__ = [
    "Named",
    "Tell",
    "change_plan",
    "hold_for_contact",
    "next_turns",
    "plan_version",
    "position_in_line",
    "reason_in",
    "refreeze",
    "refreeze_activated",
]
