"""Triggers on Device: its organization follows its fleet, and its history and its counts write themselves.

What each does is in the file of its name. The history trigger works per statement, on transition tables, so
that a batch of any size costs one pass; it dates a change by the `facts_at` and gives the `facts_reason` the
writer set in the same UPDATE. A writer that knows the status may date it too, which spares another version of
the row. What lists are found by in other tables is copied here too: last contacts, and what is searched.
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
    """After a statement, with its rows as they were, as they are, or both."""
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

DESCRIBE = f"\n        {search_document.search_documents_sql('(SELECT NEW.*)')};\n        RETURN NULL;\n"
DESCRIBED_NEW = pgtrigger.Trigger(
    name="described_new",
    level=pgtrigger.Row,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    func=DESCRIBE,
)
DESCRIBED_AGAIN = pgtrigger.Trigger(
    name="described_again",
    level=pgtrigger.Row,
    when=pgtrigger.After,
    operation=pgtrigger.UpdateOf(*search_document.COLUMNS),
    condition=pgtrigger.AnyChange(*search_document.COLUMNS),
    func=DESCRIBE,
)
DESCRIBED_NO_MORE = _per_statement("described_no_more", pgtrigger.Delete, OLD_ROWS, body("described_no_more"))

DEVICE = [
    *(ORGANIZATION, CREATED, CHANGED, DELETED, CONTACTED),
    *(DESCRIBED_NEW, DESCRIBED_AGAIN, DESCRIBED_NO_MORE),
]
