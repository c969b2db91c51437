"""What documents list is what the code has: statuses, rules, calls, licence and version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import dashboard
from devices.ingest.native import calls as native
from devices.ingest.supervisor import calls as supervisor
from devices.rules.rules import RULES
from devices.rules.vocabulary import Status

ROOT: Final = Path(__file__).parent.parent
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# What the paths of calls name, as docs/protocol.md writes it; the more special first.
NAMED: Final = (
    (supervisor.RESOURCE, "/v7"),
    (supervisor.BY_UUID, "(uuid='UUID')"),
    (supervisor.ID, "(ID)"),
    (supervisor.UUID, "UUID"),
    ("(?P<id>[0-9]{1,18})", "ID"),
    ("([^/]+)", "NAME"),
)


def rows_of(document: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    text = (ROOT / "docs" / document).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def written(path: str) -> str:
    for pattern, name in NAMED:
        path = path.replace(pattern, name)
    return path


def test_the_meaning_lists_the_statuses_in_their_order() -> None:
    listed = [(slug.strip("`"), label) for slug, label, _ in rows_of("domain.md", "The nine statuses")]
    assert listed == [(status.value, status.label) for status in Status]


def test_the_meaning_lists_the_rules_in_their_order() -> None:
    listed = [(int(number), label) for number, _, label in rows_of("domain.md", "The rules")]
    assert listed == [(number, Status(rule.status).label) for number, rule in enumerate(RULES, 1)]


def test_what_each_status_means_in_practice_is_told_of_every_status() -> None:
    text = (ROOT / "docs" / "help.md").read_text()
    assert re.findall(r"^\| (?!status)([^|]+?) \|", text, re.MULTILINE) == Status.labels


def test_the_protocol_names_every_call() -> None:
    text = re.sub(r"\s+", " ", (ROOT / "docs" / "protocol.md").read_text())
    calls = {written(call.path) for call in (*native.CALLS, *supervisor.CALLS)}
    assert not [call for call in sorted(calls) if not re.search(rf"{re.escape(call)}[\s`?]", text)]


def names_in(document: str) -> set[str]:
    """What the first cells of a document's tables name."""
    cells = re.findall(r"^\| ([^|]+?) \|", (ROOT / "docs" / document).read_text(), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"[\w.-]+", cell)}


def test_every_setting_of_the_environment_has_its_line() -> None:
    code = (ROOT / "dashboard" / "settings.py").read_text()
    read = set(re.findall(r"\benv\.\w+\(\s*\"(\w+)\"", code))
    told = set(
        re.findall(
            r"`([A-Z_]+)`(?=[^|]*\|[^|\n]*\|[^|\n]*\|$)",
            (ROOT / "docs/settings.md").read_text(),
            re.MULTILINE,
        )
    )
    assert len(read) > 30
    assert told == read


def test_every_dependency_has_its_line() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    asked = [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["embedded"],
        *groups["dev"],
        *groups["audit"],
    ]
    named = {name.lower() for name in names_in("dependencies.md")}
    missing = [each for each in asked if re.split(r"[\[>=;]", each)[0] not in named]
    assert not missing


def test_the_licence_is_apache_2_and_its_text_is_there() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    for pattern in PROJECT["license-files"]:
        assert list(ROOT.glob(pattern)), pattern
    words = (ROOT / "LICENSE").read_text().split()
    assert words[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "(SPDX: Apache-2.0)" in (ROOT / "README.md").read_text()


def test_the_version_is_the_same_everywhere() -> None:
    assert PROJECT["version"] == dashboard.__version__
    assert re.search(
        rf"^## {re.escape(PROJECT['version'])}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
