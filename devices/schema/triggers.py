"""The triggers on Device: its organization follows its fleet; histories, counters and copies are written.

The SQL of each is in the file of its name. The history triggers work per statement, on transition tables, so
that a batch of any size takes one pass; they take date and reason of a change from `facts_at` and
`facts_reason`, which the writer sets in the same UPDATE. A writer that knows the new status may set
`recorded_status_at` too, which saves a second version of the row. Two other tables have copies of columns
that lists are found by: Heartbeat of the last contact, Description of what is searched.
"""

import pgtrigger

from devices.schema import search_document
from devices.schema.texts import body

OLD_ROWS = pgtrigger.Referencing(old="old_rows")
NEW_ROWS = pgtrigger.Referencing(new="new_rows")
BOTH = pgtrigger.Referencing(old="old_rows", new="new_rows")


def _per_statement(
    name: str, operation: pgtrigger.Operation, rows: pgtrigger.Referencing, func: str
) -> pgtrigger.Trigger:
    """A trigger after a statement; `func` sees its rows before (`old_rows`), after (`new_rows`), or both."""
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=operation,
        referencing=rows,
        func=func,
    )


ORGANIZATION = pgtrigger.Trigger(
    name="organization",
    level=pgtrigger.Row,
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.UpdateOf("fleet_id"),
    func=body("organization"),
)
CREATED = _per_statement("history_created", pgtrigger.Insert, NEW_ROWS, body("history_created"))
CHANGED = _per_statement("history_changed", pgtrigger.Update, BOTH, body("history_changed"))
DELETED = _per_statement("history_deleted", pgtrigger.Delete, OLD_ROWS, body("history_deleted"))
CONTACTED = _per_statement("contacted", pgtrigger.Update, NEW_ROWS, body("contacted", end=0))

WRITE_SEARCH_DOCUMENT = (
    f"\n        {search_document.search_documents_sql('(SELECT NEW.*)')};\n        RETURN NULL;\n"
)
DESCRIBED_NEW = pgtrigger.Trigger(
    name="described_new",
    level=pgtrigger.Row,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    func=WRITE_SEARCH_DOCUMENT,
)
DESCRIBED_AGAIN = pgtrigger.Trigger(
    name="described_again",
    level=pgtrigger.Row,
    when=pgtrigger.After,
    operation=pgtrigger.UpdateOf(*search_document.COLUMNS),
    condition=pgtrigger.AnyChange(*search_document.COLUMNS),
    func=WRITE_SEARCH_DOCUMENT,
)
DESCRIBED_NO_MORE = _per_statement("described_no_more", pgtrigger.Delete, OLD_ROWS, body("described_no_more"))


def signalled(kind: str) -> pgtrigger.Trigger:
    """Appends a Signal of this kind for each row of a history, in organizations that have a Listener."""
    return _per_statement("signalled", pgtrigger.Insert, NEW_ROWS, body("signalled").replace("KIND", kind))


DEVICE = [
    *(ORGANIZATION, CREATED, CHANGED, DELETED, CONTACTED),
    *(DESCRIBED_NEW, DESCRIBED_AGAIN, DESCRIBED_NO_MORE),
]
