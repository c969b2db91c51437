"""The audit log: nobody changes it, every action is of its vocabulary, and it knows who, what and where."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from dashboard.pages.settings.audit_lines import Change, Value, changes
from fleets import audit
from fleets.audit.actions import Action, Kind
from fleets.models import AuditEntry
from tests.factories import T0, make_member, make_organization

ROOT = Path(__file__).resolve().parents[3]
FORMER = {"account-renamed"}  # written before the first release, and kept in logs


def write(**said: Any) -> AuditEntry:
    facts: dict[str, Any] = {
        "action": "fleet-changed",
        "actor": None,
        "organization": None,
        "subject": ("fleet", "kiosks", "Kiosks"),
        "at": T0,
    }
    audit.record(**facts | said)
    return AuditEntry.objects.latest("pk")


# What is written


@pytest.mark.django_db
def test_a_line_copies_names_so_that_it_outlives_what_it_speaks_of() -> None:
    organization = make_organization(name="Halden")
    actor = make_member(organization, username="ada")
    with audit.coming_from("2001:db8::7"):
        entry = write(actor=actor, organization=organization, before={"a": 1}, after={"a": None})
    actor.delete()
    organization.delete()
    entry.refresh_from_db()
    assert (entry.organization_name, entry.actor_name, entry.address) == ("Halden", "ada", "2001:db8::7")
    assert (entry.before, entry.after, entry.at) == ({"a": 1}, {"a": None}, T0)


@pytest.mark.django_db
def test_without_a_person_it_is_who_was_named_and_without_a_request_it_has_no_address() -> None:
    entry = write()
    assert (entry.actor_id, entry.actor_name, entry.address) == (None, "the console", None)
    assert write(by="service key vpn").actor_name == "service key vpn"
    with audit.coming_from("203.0.113.7"), audit.coming_from(None):
        assert write().address is None
    assert write().address is None


@pytest.mark.django_db
def test_what_a_job_does_comes_from_where_it_was_started_and_is_a_part_of_it() -> None:
    job = uuid4()
    with audit.coming_from("203.0.113.7"), audit.coming_from("2001:db8::7", job=job):
        entry = write()
        assert audit.address() == "2001:db8::7"
    assert (entry.address, entry.job) == ("2001:db8::7", job)
    assert (write().address, write().job) == (None, None)


@pytest.mark.django_db
def test_names_of_any_length_are_cut() -> None:
    entry = write(by="b" * 300, subject=("key", "i" * 300, "n" * 300))
    lengths = [len(text) for text in (entry.actor_name, entry.subject_id, entry.subject_name)]
    assert lengths == [255, 100, 255]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_written_when_the_transaction_fails() -> None:
    @transaction.atomic
    def fail() -> None:
        write()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not AuditEntry.objects.exists()


# Nobody changes it

CHANGES = [
    "UPDATE fleets_auditentry SET action = 'x'",
    "DELETE FROM fleets_auditentry",
    "TRUNCATE fleets_auditentry",
]


@pytest.fixture
def application(transactional_db: None) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the application's role."""
    if settings.DATABASE_URL == settings.DATABASE_OWNER_URL:
        pytest.skip("DATABASE_URL and DATABASE_OWNER_URL name the same role")
    with psycopg.connect(settings.DATABASE_URL, dbname=connection.settings_dict["NAME"]) as opened:
        yield opened


@pytest.mark.parametrize("change", [*CHANGES, "ALTER TABLE fleets_auditentry DISABLE TRIGGER ALL"])
def test_the_application_can_add_and_read_but_not_change(
    application: psycopg.Connection[Any], change: str
) -> None:
    application.execute(
        "INSERT INTO fleets_auditentry (at, organization_name, actor_name, action, subject_kind, subject_id,"
        " subject_name) VALUES (now(), '', 'ada', 'fleet-changed', 'fleet', 'kiosks', '')"
    )
    application.commit()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        application.execute(change)
    application.rollback()
    row = application.execute("SELECT actor_name, action FROM fleets_auditentry").fetchone()
    assert row == ("ada", "fleet-changed")


@pytest.mark.django_db
@pytest.mark.parametrize("change", CHANGES[:2])
def test_the_owner_is_stopped_by_a_trigger(change: str) -> None:
    write()
    with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
        connection.cursor().execute(change)
    assert AuditEntry.objects.get().action == "fleet-changed"


# The vocabulary


WRITERS = {"audit.record", "key_audit.record", "lines.write", "_audit", "_record"}


def actions_in(path: Path) -> Iterator[str]:
    """The action of each call that writes a line; a variable's are those that the function gives it."""
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        for call in calls:
            if ast.unparse(call.func).endswith("objects.create"):  # a migration's own
                for keyword in call.keywords:
                    if keyword.arg == "action":
                        yield from texts(keyword.value)
            if not call.args:
                continue
            if ast.unparse(call.func) not in {
                "audit.record",
                "audit.record_all",
                "key_audit.record",
                "lines.write",
                "record",
                "targets.record",
                "_audit",
                "_record",
            }:
                continue
            given = call.args[0]
            if not isinstance(given, ast.Name):
                yield from texts(given)
            elif given.id not in {argument.arg for argument in function.args.args}:
                yield from (
                    text
                    for node in ast.walk(function)
                    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == given.id
                    for text in texts(node.value)
                )


def texts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from texts(body)
            yield from texts(orelse)


def test_every_action_that_is_written_stands_once_in_the_vocabulary_and_none_besides() -> None:
    paths = [path for app in ("dashboard", "devices", "fleets") for path in (ROOT / app).rglob("*.py")]
    written = {action for path in paths for action in actions_in(path)}
    assert sorted(written | FORMER) == sorted(Action.values)


def test_every_action_has_words_of_its_own() -> None:
    for labels in (Action.labels, Kind.labels):
        assert {label: n for label, n in Counter(labels).items() if n > 1} == {}
        assert all(label and label[0].isupper() and not label.endswith(".") for label in labels)
    assert all(len(slug) <= 40 and slug == slug.lower() for slug in Action.values)
    assert all(len(slug) <= 20 for slug in Kind.values)


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [{"action": "fleet-chnaged"}, {"subject": ("flete", "kiosks", "")}])
def test_what_is_not_in_the_vocabulary_is_not_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is not a valid"):
        write(**wrong)
    assert not AuditEntry.objects.exists()


# How it reads


@pytest.mark.parametrize(
    ("before", "after", "read"),
    [
        (None, None, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, [Change("B", Value("2"), Value("3"))]),
        ({"a": 1}, {}, [Change("A", Value("1"), Value("none"))]),
        (None, {"device_type": ""}, [Change("Device type", None, Value("none"))]),
        ({"keys": ["a", "b"]}, None, [Change("Keys", Value("a, b"), None)]),
        ({"vpn_enabled": True}, {"vpn_enabled": False}, [Change("VPN", Value("on"), Value("off"))]),
        ({"vpn_enabled": None}, {"vpn_enabled": True}, [Change("VPN", Value("not used yet"), Value("on"))]),
        ({"fleet": "a"}, {"fleet": "b"}, [Change("Fleet", Value("a"), Value("b"))]),
        (None, {"expires_at": T0.isoformat()}, [Change("Expires", None, Value(T0.isoformat(), T0))]),
        (None, {"name": "2026-03-02"}, [Change("Name", None, Value("2026-03-02"))]),
        (None, {"a": {"b": 1, "c": ""}}, [Change("A", None, Value("b = 1, c"))]),
        ({"tags": {}}, {"tags": {"b": "1"}}, [Change("Tags", Value("none"), Value("b = 1"))]),
    ],
)
def test_a_change_reads_as_each_field_old_and_new(before: Any, after: Any, read: list[Change]) -> None:
    assert changes(AuditEntry(before=before, after=after)) == read
