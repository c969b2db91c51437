"""What is dated ahead of a database clock that was set back, of incidents and messages.

Times that the clock has yet to reach are brought to as late as they would be from now on, at most. When
telling looks at an incident again, and how long something is held, may lie ahead: both are asked anew then.
"""

from __future__ import annotations

from typing import Final

# Of an incident: the first message comes at most a whole time of gathering from now on, and what is left of
# it becomes an incident of its own at most ten minutes from now on.
INCIDENTS: Final = """
UPDATE devices_incident SET tell_at = LEAST(tell_at, %(at)s + interval '15 minutes'),
       apart_at = LEAST(apart_at, %(at)s + interval '10 minutes'), look_at = %(at)s
WHERE tell_at > %(at)s + interval '15 minutes' OR apart_at > %(at)s + interval '10 minutes'
"""
# A device that waits is due at most a whole delay from now on, one that recovers is gone at most a whole hold
# from now on; one that has fired is not due in the future.
MEMBERS: Final = """
UPDATE devices_incidentmember m
SET due_at = CASE m.state WHEN 'pending' THEN LEAST(due_at, %(at)s + r.delay * interval '1 second')
                          ELSE LEAST(due_at, %(at)s) END,
    next_at = LEAST(next_at, %(at)s + GREATEST(r.delay, r.hold) * interval '1 second')
FROM devices_alertrule r
WHERE m.rule_id = r.id
  AND (m.next_at > %(at)s + GREATEST(r.delay, r.hold) * interval '1 second'
       OR (m.state <> 'pending' AND m.due_at > %(at)s))
"""
# A message waits at most an hour for its next attempt, a target at most a minute for the end of its lease.
MESSAGES: Final = """
UPDATE devices_alertmessage SET next_at = %(at)s WHERE next_at > %(at)s + interval '66 minutes'
"""
TARGETS: Final = """
UPDATE devices_alerttarget SET leased_until = %(at)s WHERE leased_until > %(at)s + interval '60 seconds'
"""
BRING: Final = (INCIDENTS, MEMBERS, MESSAGES, TARGETS)
