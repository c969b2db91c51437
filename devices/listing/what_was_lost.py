"""What a device has lost, and when, in SQL: of devices as they are now, and of changes of the past.

It is the VPN for a device without contact after its VPN was lost, though its heartbeat was lost later: so a
site without power is one incident, however its devices poll.
"""

from __future__ import annotations

from typing import Final

from devices.listing.grouping import LINK_OF_VPN, SILENT
from devices.rules.vocabulary import LAST_ATTENTION_RANK, RANKS, Status

_OFFLINE, _HEARTBEAT_ONLY = RANKS.index(Status.OFFLINE), RANKS.index(Status.HEARTBEAT_ONLY)
# Lost.what (devices/listing/grouping.py). `rank`: of the status; `vpn_at`: when the VPN was lost, null: it
# never was; `polled`: the last poll before the heartbeat was lost; `silent`: whether the VPN was lost since
# its server stopped reporting.
WHAT: Final = f"""
CASE WHEN {{rank}} > {LAST_ATTENTION_RANK} THEN 'status' WHEN {{rank}} = {LAST_ATTENTION_RANK} THEN 'progress'
     WHEN {{rank}} > {_HEARTBEAT_ONLY} THEN 'heartbeat'
     WHEN {{rank}} = {_HEARTBEAT_ONLY} AND {{vpn_at}} IS NULL THEN 'never'
     WHEN {{rank}} = {_OFFLINE} AND ({{vpn_at}} < {{polled}} OR {{vpn_at}} IS NULL) THEN 'heartbeat'
     WHEN {{silent}} THEN '{SILENT}' ELSE 'vpn' END
"""
# When that was lost. `since`: when the status began; `progressed`: the last progress.
MOMENT: Final = f"""
CASE WHEN {{what}} IN {LINK_OF_VPN} THEN {{vpn_at}}
     WHEN {{what}} = 'progress' THEN {{progressed}} ELSE {{since}} END
"""
