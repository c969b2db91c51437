"""A second, small implementation of docs/alerts.md for tests: it looks at each second, and shares no code.

Every device has one cause, its site; all durations are in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MANY, TOGETHER, CALM = 5, 300, 600


@dataclass(frozen=True)
class Times:
    """Of the one rule, and when nobody listened: from its start, before its end."""

    delay: int
    hold: int
    gather: int
    away: tuple[int, int] = (0, 0)

    def after(self, since: int, lasting: int) -> int:
        """The first second before which so many were observed since then."""
        at = since
        while lasting:
            lasting -= not self.away[0] <= at < self.away[1]
            at += 1
        return at


@dataclass(eq=False)
class Outage:
    """An incident."""

    opened: int
    site: str = ""  # empty: of a device alone
    devices: set[int] = field(default_factory=set)
    ever: set[int] = field(default_factory=set)
    moments: list[int] = field(default_factory=list)
    at_most: int = 0
    resolved: int | None = None
    merged: bool = False
    calm_since: int | None = None

    def told(self) -> tuple[object, ...]:
        """What a test compares."""
        moments = (min(self.moments), max(self.moments))
        numbers = (len(self.devices), self.at_most, len(self.ever))
        return (self.site, self.opened, self.resolved, self.merged, *moments, *numbers)


@dataclass(eq=False)
class Spell:
    """A device that is held."""

    device: int
    since: int
    due: int
    fired: bool = False
    recovered: int | None = None
    gone: int | None = None
    apart: bool = False
    flaps: int = 0
    outage: Outage | None = None

    def told(self) -> tuple[object, ...]:
        """What a test compares."""
        return (
            self.device,
            self.since,
            self.due,
            self.fired,
            self.recovered,
            self.gone,
            self.apart,
            self.flaps,
        )


class Model:
    """`sites`: the site of each device, by its number."""

    def __init__(self, times: Times, sites: list[str]) -> None:
        self.times, self.sites = times, sites
        self.now: dict[int, Spell] = {}
        self.over: list[Spell] = []
        self.outages: list[Outage] = []
        self.came_back = 0

    def play(self, facts: list[tuple[int, int, bool]], until: int) -> None:
        """`facts`: when, which device, and whether it is lost from then on."""
        for at in range(until + 1):
            asking = self._clocks(at)
            for _, device, lost in sorted(f for f in facts if f[0] == at):
                self._lost(at, device) if lost else self._back(at, device)
                asking |= self._clocks(at)
            self._place(at, [s for s in asking if self.now.get(s.device) is s])
            for outage in self.outages:
                self._look(at, outage)

    def _clocks(self, at: int) -> set[Spell]:
        asking = set()
        for spell in list(self.now.values()):
            if not spell.fired and spell.due <= at:
                spell.fired = True
                asking.add(spell)
            if spell.recovered is not None and self.times.after(spell.recovered, self.times.hold) <= at:
                self._gone(at, spell)
            elif spell.fired and spell.outage is None and at == spell.due + self.times.gather:
                asking.add(spell)
        return asking

    def _lost(self, at: int, device: int) -> None:
        spell = self.now.get(device)
        if spell is None:
            self.now[device] = Spell(device, at, self.times.after(at, self.times.delay))
        elif spell.recovered is not None:
            spell.recovered = None
            spell.flaps += 1

    def _back(self, at: int, device: int) -> None:
        spell = self.now.get(device)
        if spell and not spell.fired:
            del self.now[device]
            self.came_back += 1
        elif spell and spell.recovered is None:
            spell.recovered = at

    def _gone(self, at: int, spell: Spell) -> None:
        if spell.outage is None:
            self._join(spell, self._open(spell.due))
        spell.gone = spell.recovered
        self._leave(spell, spell.recovered or 0)

    def _leave(self, spell: Spell, at: int) -> None:
        outage = spell.outage
        assert outage is not None
        del self.now[spell.device]
        self.over.append(spell)
        outage.devices.remove(spell.device)
        if not outage.devices:
            outage.resolved = max(at, outage.opened)

    def _open(self, at: int, site: str = "") -> Outage:
        self.outages.append(Outage(at, site))
        return self.outages[-1]

    def _join(self, spell: Spell, outage: Outage) -> None:
        spell.outage = outage
        outage.devices.add(spell.device)
        outage.ever.add(spell.device)
        outage.moments.append(spell.since)
        outage.at_most = max(outage.at_most, len(outage.devices))

    def _place(self, at: int, asking: list[Spell]) -> None:
        for spell in sorted(asking, key=lambda s: (s.since, s.device)):
            site = self.sites[spell.device]
            there = [o for o in self.outages if o.site == site and o.resolved is None]
            if spell.outage is None and there:
                self._join(spell, max(there, key=lambda o: len(o.devices)))
        for spell in sorted(asking, key=lambda s: (s.since, s.device)):
            if spell.outage is None:
                self._gather(at, spell)

    def _gather(self, at: int, spell: Spell) -> None:
        site = self.sites[spell.device]
        loose = [
            s for s in self.now.values() if self.sites[s.device] == site and not (s.outage and s.outage.site)
        ]
        if len(loose) < MANY:
            if spell.due + self.times.gather <= at:
                self._join(spell, self._open(spell.due))
            return
        alone = {s.outage: None for s in loose if s.outage}
        waiting = [s for s in loose if s.fired and s.outage is None]
        if alone:
            outage = min(alone, key=lambda o: (o.opened, min(o.moments), str(min(o.devices))))
            outage.site = site
        else:
            outage = self._open(min(s.due for s in waiting), site)
        for other in loose:
            if other.fired and other.outage is None:
                self._join(other, outage)
            elif other.outage and other.outage is not outage:
                other.outage.devices.remove(other.device)
                other.outage.resolved, other.outage.merged = max(at, other.outage.opened), True
                self._join(other, outage)

    def _look(self, at: int, outage: Outage) -> None:
        """Whether few have been left for long: these go on alone."""
        few = 0 < len(outage.devices) <= 0.2 * outage.at_most
        if not few or outage.resolved is not None:
            outage.calm_since = None
        elif outage.calm_since is None:
            outage.calm_since = at
        elif at == self.times.after(outage.calm_since, CALM):
            for spell in [s for s in self.now.values() if s.outage is outage]:
                self._leave(spell, at)
                spell.gone, spell.apart = at, True
                other = Spell(spell.device, spell.since, spell.due, True, spell.recovered, flaps=spell.flaps)
                self.now[spell.device] = other
                self._join(other, self._open(spell.due))
