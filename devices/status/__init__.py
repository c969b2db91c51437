"""What a device is, at any clock: the names that tools outside this repository use.

`reading` annotates devices, `counts` counts them, `explanation` says why. Our own code imports from these.
"""

from devices.rules.vocabulary import Status
from devices.status.counts import count_by_status
from devices.status.explanation import explain
from devices.status.reading import with_status

__all__ = ["Status", "count_by_status", "explain", "with_status"]
