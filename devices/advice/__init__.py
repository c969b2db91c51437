"""Advice for a device: what works now and what to check next (help.md)."""

from devices.advice.abilities import KEEP_ALIVE, Ability, doubt, works_now
from devices.advice.checks import check_next
from devices.advice.person_steps import STEPS, Check, steps

__all__ = ["KEEP_ALIVE", "STEPS", "Ability", "Check", "check_next", "doubt", "steps", "works_now"]
