"""A message in words, as every kind of target is given it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string


@dataclass(frozen=True)
class Section:
    """A part of a mail under a heading of its own: lines of plain sentences."""

    heading: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Text:
    """A message in words: one line, paragraphs of plain sentences, devices, and where to read on.

    `url` and `runbook` are whole addresses; `severity` is one of Severity. Only a digest has sections.
    """

    subject: str
    paragraphs: Sequence[str]
    devices: Sequence[str]
    url: str
    severity: str
    over: bool = False
    runbook: str = ""
    sections: Sequence[Section] = ()

    @property
    def plain(self) -> str:
        """All of it, as plain text."""
        parts = [*self.paragraphs]
        if self.devices:
            parts.append(_listed(self.devices))
        parts += [f"{section.heading}\n{_listed(section.lines)}" for section in self.sections]
        parts.append(self.url)
        return "\n\n".join(parts)

    @property
    def brief(self) -> str:
        """Its sentences without the list of devices, for a chat."""
        return "\n".join(self.paragraphs)

    def html(self, **more: Any) -> str:
        """All of it, as a page for mail programs. `more`: what only a mail says, as its template names it."""
        return render_to_string("alerts/email/message.html", {"text": self, **more})


def whole(path: str) -> str:
    """The address of a page of this site."""
    return f"{settings.SITE_ADDRESS}{path}"


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
