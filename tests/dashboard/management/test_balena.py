"""The command `balena`, against a server that answers as recorded."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from devices.models import Device, Source
from tests.devices.sources.api import BalenaApi, Fault
from tests.devices.sources.conftest import api, source
from tests.factories import make_fleet

__all__ = ["api", "source"]


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("balena", *arguments, stdout=out)
    return out.getvalue()


def test_check_says_what_the_token_sees(api: BalenaApi, source: Source) -> None:
    assert said("check") == (
        "balena: The token of admin is accepted, and sees 3 fleets: admin/kiosks, admin/old-signs,"
        " admin/pumps.\n"
    )


def test_check_says_why_a_token_is_of_no_use(api: BalenaApi, source: Source) -> None:
    api.who = {"id": 4, "actorType": "application", "slug": "admin/pumps"}
    with pytest.raises(CommandError, match="Not read: balena"):
        said("check")


def test_sweep_reads_everything_at_once(api: BalenaApi, source: Source) -> None:
    assert "14 created" in said("sweep", "balena")
    assert Device.objects.count() == 14


def test_sweep_that_fails_says_so(api: BalenaApi, source: Source) -> None:
    api.faults.append(Fault(502))
    with pytest.raises(CommandError, match="Not read: balena"):
        said("sweep")


def test_unknown_source_is_named(api: BalenaApi, source: Source) -> None:
    with pytest.raises(CommandError, match="There is no source other"):
        said("sweep", "other")


def test_migration_says_what_it_would_do_and_what_it_did(
    api: BalenaApi, source: Source, tmp_path: Path
) -> None:
    said("sweep")
    make_fleet(source.organization, slug="ours", name="Ours")
    file = tmp_path / "keys.csv"
    file.write_text(f"uuid,key\na0000000000000000000000000000002,{'3f9a' * 8}b7c1d2e8\n")
    wanted = ["migrate", "admin/kiosks", "--to", "ours", "--keys", str(file)]
    number = Device.objects.filter(fleet__slug="admin-kiosks").count()
    assert said(*wanted, "--dry-run").endswith(
        f"{number} devices would be migrated to Ours. The file has keys of 0 of them.\n"
    )
    wanted[1] = "admin/pumps"
    assert said(*wanted, "--dry-run").endswith("The file has keys of 1 of them.\n")
    assert said(*wanted).endswith("devices are migrated to Ours. 1 keys are accepted.\n")
    assert said(*wanted) == "0 devices are migrated to Ours. 1 keys are accepted.\n"
