"""Sweeps against a server that answers as open-balena-api was recorded to answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from devices.history import rollups
from devices.integrity.checks import disagreements
from devices.models import ConnectivityRecord, Device, MirroredDevice, Source, StatusChange
from devices.status.reading import with_status
from fleets.models import AuditEntry, Fleet
from tests.devices.sources.api import BalenaApi, recorded
from tests.devices.sources.swept import AT, swept
from tests.factories import make_device

STATUSES = {
    "1": "inactive",
    "2": "online",
    "3": "heartbeat-only",
    "4": "offline",
    "5": "vpn-only",
    "6": "heartbeat-only",
    "7": "configuring",
    "8": "post-provisioning",
    "9": "updating",
    "a": "heartbeat-only",
    "c": "offline",
    "d": "online",
    "e": "offline",
}


def status(uuid: str, after: float = 0) -> str:
    at = AT + timedelta(seconds=after)
    return str(with_status(Device.objects.filter(uuid__endswith=uuid), at).get().status)


def test_every_device_has_the_status_of_its_facts(api: BalenaApi, source: Source) -> None:
    outcome = swept(source)
    assert outcome.written
    assert (outcome.written.created, Device.objects.count()) == (14, 14)
    devices = with_status(Device.objects.exclude(uuid__startswith="0b"), AT)
    assert {device.uuid[-1]: device.status for device in devices} == STATUSES
    assert list(Fleet.objects.values_list("slug", "name", "device_type")) == [
        ("admin-kiosks", "kiosks", "intel-nuc"),
        ("admin-old-signs", "old-signs", "raspberrypi4-64"),
        ("admin-pumps", "pumps", "raspberrypi4-64"),
    ]
    assert list(disagreements(AT)) == []


def test_its_own_word_for_each_device_is_kept_beside_ours(api: BalenaApi, source: Source) -> None:
    swept(source)
    words = dict(MirroredDevice.objects.values_list("device__uuid", "status"))
    assert words["a0000000000000000000000000000006"] == "operational"
    assert words["a0000000000000000000000000000001"] == "configuring"


def test_a_device_that_never_reported_has_no_vitals(api: BalenaApi, source: Source) -> None:
    """The source has a field that is false then, which says nothing of its power."""
    swept(source)
    device = Device.objects.get(uuid__endswith="1", provisioned_at=None)
    assert (device.metrics, device.metrics_at) == ({}, None)


def test_history_begins_when_the_links_became_what_they_are(api: BalenaApi, source: Source) -> None:
    swept(source)
    lost = Device.objects.get(uuid__endswith="4")
    since = datetime(2026, 11, 29, 22, 24, 28, 805000, UTC)
    assert (lost.heartbeat_state, lost.heartbeat_changed_at) == ("lost", since)
    assert with_status(Device.objects.filter(pk=lost.pk), AT).get().status_since == since


def test_history_that_begins_weeks_ago_is_counted_by_the_hour(api: BalenaApi, source: Source) -> None:
    rollups.keep(AT)
    api.device("4")["changed_api_heartbeat_state_on__date"] = "2026-11-09T10:00:00.000Z"
    swept(source)
    assert with_status(Device.objects.filter(uuid__endswith="4"), AT).get().status_since.day == 9
    rollups.keep(AT + timedelta(hours=2))
    assert list(disagreements(AT + timedelta(hours=2))) == []


def test_quick_sweep_reads_links_and_progress(api: BalenaApi, source: Source) -> None:
    swept(source)
    api.asked.clear()
    api.device("2").update(
        api_heartbeat_state="offline", changed_api_heartbeat_state_on__date="2026-11-29T22:26:40.000Z"
    )
    api.device("4").update(is_connected_to_vpn=True, last_vpn_event="2026-11-29T22:26:30.000Z")
    api.device("9").update(overall_status="operational", overall_progress=None)
    assert swept(source, 60).whole is False
    assert [status(uuid, 60) for uuid in "249"] == ["vpn-only", "vpn-only", "heartbeat-only"]
    changed = with_status(Device.objects.filter(uuid__endswith="2"), AT + timedelta(seconds=60)).get()
    assert changed.status_since == datetime(2026, 11, 29, 22, 26, 40, tzinfo=UTC)
    assert all("application?" not in path for path in api.asked)
    assert list(disagreements(AT + timedelta(seconds=60))) == []


def test_whole_sweep_is_due_every_ten_minutes(api: BalenaApi, source: Source) -> None:
    assert [swept(source, after).whole for after in (0, 60, 540, 600, 660)] == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_device_that_moved_there_moves_here(api: BalenaApi, source: Source) -> None:
    swept(source)
    api.device("2")["belongs_to__application"] = {"__id": 2}
    outcome = swept(source, 600)
    assert outcome.written
    assert outcome.written.moved == 1
    assert Device.objects.get(uuid__endswith="2").fleet.name == "kiosks"


def test_device_that_is_deleted_there_is_deleted_here_after_a_whole_sweep(
    api: BalenaApi, source: Source
) -> None:
    swept(source)
    api.devices = [row for row in api.devices if not row["uuid"].endswith("2")]
    swept(source, 60)
    assert Device.objects.filter(uuid__endswith="2").exists()
    outcome = swept(source, 600)
    assert outcome.written
    assert outcome.written.deleted == 1
    assert not Device.objects.filter(uuid__endswith="2").exists()
    assert AuditEntry.objects.get(action="device-deleted").actor_name == "the source balena"
    assert list(disagreements(AT + timedelta(seconds=600))) == []


def test_fleet_that_is_deleted_there_is_deleted_here(api: BalenaApi, source: Source) -> None:
    swept(source)
    api.applications = api.applications[1:]
    swept(source, 600)
    assert set(Fleet.objects.values_list("name", flat=True)) == {"kiosks", "old-signs"}
    assert set(Device.objects.values_list("fleet__name", flat=True)) == {"kiosks", "old-signs"}


def test_device_of_this_site_is_left_alone_and_listed(api: BalenaApi, source: Source) -> None:
    native = make_device(uuid="a0000000000000000000000000000002", name="ours")
    swept(source)
    native.refresh_from_db()
    assert (native.name, native.vpn_connected, hasattr(native, "mirrored")) == ("ours", False, False)
    assert source.refused_uuids == [native.uuid]
    assert Device.objects.count() == 14


def test_tags_and_notes_of_this_site_stay_beside_those_of_the_source(api: BalenaApi, source: Source) -> None:
    swept(source)
    device = Device.objects.get(uuid__endswith="0a")
    assert device.tags == {"empty": "", "site": "Nord", "straße": "Übergang 7"}
    Device.objects.filter(pk=device.pk).update(tags=device.tags | {"ours": "1"}, notes="Ask Eva")
    api.device("0a")["device_tag"] = [{"tag_key": "site", "value": "Süd"}]
    swept(source, 600)
    device.refresh_from_db()
    assert (device.tags, device.notes) == ({"ours": "1", "site": "Süd"}, "Ask Eva")
    api.device("0a")["note"] = "Behind the door"
    swept(source, 1200)
    device.refresh_from_db()
    assert device.notes == "Behind the door"


def test_vpn_server_that_stopped_reporting_there_connects_nothing(api: BalenaApi, source: Source) -> None:
    swept(source)
    api.servers[0]["last_heartbeat"] = "2026-11-29T22:26:40.000Z"
    api.at += timedelta(seconds=120)
    swept(source, 120)
    assert [status(uuid, 120) for uuid in "25"] == ["heartbeat-only", "offline"]
    record = ConnectivityRecord.objects.filter(link="vpn").first()
    assert record
    assert record.reason == {"slug": "vpn-server-silent", "server": "127.0.0.1"}
    assert record.at == datetime(2026, 11, 29, 22, 27, 40, tzinfo=UTC)


def test_vpn_server_that_reports_again_there_connects_as_of_the_sweep(api: BalenaApi, source: Source) -> None:
    """The source leaves its devices connected meanwhile, since long before: so its dates do not tell when."""
    api.servers[0]["last_heartbeat"] = "2026-11-29T22:25:00.000Z"
    swept(source)
    assert [status(uuid) for uuid in "25"] == ["heartbeat-only", "offline"]
    api.servers[0]["last_heartbeat"] = "2026-11-29T22:28:10.000Z"
    api.at += timedelta(seconds=120)
    swept(source, 120)
    assert [status(uuid, 120) for uuid in "25"] == ["online", "vpn-only"]
    changes = StatusChange.objects.filter(device__uuid__endswith="5").order_by("at")
    ended, now = datetime(2026, 11, 29, 22, 26, tzinfo=UTC), AT + timedelta(seconds=120)
    assert list(changes.values_list("after", "at")) == [("offline", ended), ("vpn-only", now)]
    assert list(disagreements(now)) == []


def test_vpn_that_is_off_by_a_variable_is_not_missed(api: BalenaApi, source: Source) -> None:
    api.device("6")["device_config_variable"] = [{"name": "RESIN_SUPERVISOR_VPN_CONTROL", "value": "false"}]
    swept(source)
    assert status("6") == "online"


def test_poll_interval_is_the_variable_but_not_below_that_of_the_server(
    api: BalenaApi, source: Source
) -> None:
    variable = {"name": "RESIN_SUPERVISOR_POLL_INTERVAL", "value": "10000"}
    api.device("6")["device_config_variable"] = [variable]
    swept(source)
    assert Device.objects.get(uuid__endswith="6").poll_interval == 600
    assert Fleet.objects.get(name="pumps").poll_interval == 3600
    assert Fleet.objects.get(name="old-signs").poll_interval == 600


def test_poll_interval_is_that_by_which_the_server_counts(api: BalenaApi, source: Source) -> None:
    """A supervisor prefers the other name of the variable, which the server does not count by."""
    api.device("6")["device_config_variable"] = [
        {"name": "BALENA_SUPERVISOR_POLL_INTERVAL", "value": "7200000"},
        {"name": "RESIN_SUPERVISOR_POLL_INTERVAL", "value": "1200000"},
    ]
    swept(source)
    assert Device.objects.get(uuid__endswith="6").poll_interval == 1200


def test_update_that_is_applied_is_under_way(api: BalenaApi, source: Source) -> None:
    """By the word of the source it is over, which is kept beside."""
    (applying,) = recorded("device-applying")["body"]["d"]
    swept(source)
    api.device("2").update(applying | {name: api.device("2")[name] for name in ("id", "uuid")})
    swept(source, 60)
    device = Device.objects.select_related("mirrored").get(uuid__endswith="2")
    assert (device.update_status, device.update_progress) == ("applying changes", 100)
    assert (status("2", 60), device.mirrored.status) == ("updating", "operational")
    api.device("2")["update_status"] = "done"
    swept(source, 120)
    assert status("2", 120) == "online"


def test_public_address_that_the_relay_saw_is_kept(api: BalenaApi, source: Source) -> None:
    """An openBalena has the field, and never a value."""
    swept(source)
    Device.objects.filter(uuid__endswith="2").update(public_address="192.0.2.9")
    swept(source, 600)
    assert Device.objects.get(uuid__endswith="2").public_address == "192.0.2.9"


def test_of_all_applications_only_fleets_are_read(api: BalenaApi, source: Source) -> None:
    """An operating system that was uploaded there is of the class fleet, too."""
    api.applications = recorded("application-classes")["body"]["d"]
    api.devices = []
    swept(source)
    assert set(Fleet.objects.values_list("name", flat=True)) == {"kiosks-eu", "oldsigns", "pumps"}


def test_only_the_fleets_that_were_chosen_are_read(api: BalenaApi, source: Source) -> None:
    Source.objects.update(only_fleets=["admin/kiosks"])
    swept(source)
    assert set(Device.objects.values_list("fleet__name", flat=True)) == {"kiosks"}
