"""What the simulator is given, and what it keeps for its next run."""

from pathlib import Path

import msgspec
import pytest

from devices.simulator.keyfile import FleetKeys, Identity, Ledger, read_keys, write_private

FLEET = FleetKeys(slug="kiosks", provisioning_key="pk")
ONE = Identity("1" * 32, "k1", 10.0)


def test_names_take_the_patterns_in_turn() -> None:
    fleet = FleetKeys(slug="x", provisioning_key="", names=("p{}a", "p{:02}b"), first=6)
    assert [fleet.name_of(number) for number in range(4)] == ["p6a", "p06b", "p7a", "p07b"]


def test_names_come_from_the_slug_where_none_are_given() -> None:
    assert [FLEET.name_of(number) for number in (0, 41)] == ["kiosks-001", "kiosks-042"]


def test_a_key_file_without_its_service_key_names_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"organization": "halden", "fleets": []}')
    with pytest.raises(msgspec.ValidationError, match="service_key"):
        read_keys(path)


def test_entries_for_others_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"organization": "halden", "service_key": "s", "fleets": [], "user": "demo"}')
    assert read_keys(path).service_key == "s"


def test_the_ledger_remembers_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "var" / "state.json"
    ledger = Ledger(path)
    assert ledger.get(FLEET, 0) is None
    ledger.put(FLEET, 0, ONE)
    assert not path.exists()
    ledger.save()
    assert path.stat().st_mode & 0o777 == 0o600
    again = Ledger(path)
    assert again.get(FLEET, 0) == ONE
    assert again.get(FLEET, 1) is None


def test_new_provisioning_keys_are_a_new_site(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state.json")
    ledger.put(FLEET, 0, ONE)
    assert ledger.get(msgspec.structs.replace(FLEET, provisioning_key="other"), 0) is None
    assert ledger.get(msgspec.structs.replace(FLEET, slug="renamed"), 0) == ONE


def test_a_private_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old and readable for all")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
