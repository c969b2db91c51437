"""What a person has not read yet of the messages to the pages of their organizations: the bell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from devices.models import AlertMessage, AlertTarget, LastRead

COUNTED: Final = 100  # unread messages of a page, at most
LISTED: Final = 10  # the newest ones
# Of each page by the index of the messages of a target, so that it costs the same however many there are.
NEWEST: Final = """
SELECT newest.id, newest.id > coalesce(known.message_id, 0)
FROM devices_alerttarget page
LEFT JOIN devices_lastread known ON known.person_id = %s AND known.organization_id = page.organization_id
CROSS JOIN LATERAL (
    SELECT id, created_at FROM devices_alertmessage WHERE target_id = page.id
    ORDER BY created_at DESC, id DESC LIMIT %s
) newest
WHERE page.kind = 'page' AND page.organization_id = ANY(%s)
ORDER BY newest.created_at DESC, newest.id DESC
"""


@dataclass(frozen=True)
class Unread:
    """How many messages a person has not read, and the newest messages, read or not, newest first.

    `number` counts up to COUNTED of each organization. `unread`: the primary keys of those among `newest`.
    """

    number: int
    newest: list[AlertMessage]
    unread: frozenset[int]


def unread(person: int, organizations: Sequence[int]) -> Unread:
    """Of the pages of these organizations, which the person belongs to. Two queries, mostly."""
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, [person, COUNTED, list(organizations)])
        found: list[tuple[int, bool]] = cursor.fetchall()
    listed = [pk for pk, _ in found[:LISTED]]
    messages = AlertMessage.objects.in_bulk(listed) if listed else {}
    return Unread(
        number=sum(new for _, new in found),
        newest=[messages[pk] for pk in listed if pk in messages],
        unread=frozenset(pk for pk, new in found[:LISTED] if new),
    )


@transaction.atomic
def read(*, person: int, organizations: Sequence[int], message: UUID) -> None:
    """Mark as read what the pages of these organizations were told up to this message; nothing if it is none.

    It is no business of the audit log.
    """
    to_pages = AlertMessage.objects.filter(target__kind=AlertTarget.Kind.PAGE, organization__in=organizations)
    upto = to_pages.filter(uuid=message).values_list("pk", flat=True).first()
    if upto is None:
        return
    mine = LastRead.objects.filter(person_id=person, organization_id__in=organizations)
    mine.filter(message_id__lt=upto).update(message_id=upto)
    rows = [LastRead(person_id=person, organization_id=one, message_id=upto) for one in organizations]
    LastRead.objects.bulk_create(rows, ignore_conflicts=True)
