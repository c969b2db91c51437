"""The status of devices at any moment: the names that tools outside this repository use.

Code of this repository imports from the modules: `reading` annotates devices with their status, `counts`
counts them by status, `explanation` says why a device has its status.
"""

from devices.rules.vocabulary import Status
from devices.status.counts import count_by_status
from devices.status.explanation import explain
from devices.status.reading import with_status

__all__ = ["Status", "count_by_status", "explain", "with_status"]
