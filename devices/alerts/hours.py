"""Hours of a week in a time zone: of a rule, and the quiet ones of a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from devices.alerts import wall_time
from devices.alerts.refusals import Invalid
from devices.alerts.wall_time import END_OF_DAY, Weekly


@dataclass(frozen=True)
class Hours:
    """Intervals of each week, by the clocks of a zone. Raises Invalid."""

    zone: str
    weekly: Weekly

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise Invalid("zone", "There is no time zone of this name.") from error
        for day, start, end in self.weekly:
            if not (0 <= day <= 6 and 0 <= start < end <= END_OF_DAY):
                raise Invalid("hours", "Let each of the hours end after it starts.")

    def include(self, at: datetime) -> bool:
        """Whether the moment lies in one of them."""
        return wall_time.inside(self.weekly, ZoneInfo(self.zone), at)

    def next_change(self, at: datetime) -> datetime | None:
        """When `include` changes next, within eight days; None: it does not."""
        return wall_time.next_change(self.weekly, ZoneInfo(self.zone), at)

    def stored(self) -> dict[str, Any]:
        """As JSON has them."""
        return {"zone": self.zone, "weekly": [list(interval) for interval in self.weekly]}


def read(stored: dict[str, Any]) -> Hours:
    """The other way round."""
    return Hours(stored["zone"], [(day, start, end) for day, start, end in stored["weekly"]])
