"""Devices as an operator has them: every status, long lost ones, sites, tags, notes, releases.

Made by SQL, with the triggers off: what those would have written is written here, once, afterwards. One fleet
holds a tenth of all devices, the others share the rest.
"""

from __future__ import annotations

from django.core.management import call_command

from dashboard.models import User
from devices.integrity import counters
from devices.models import Device, Listening
from devices.schema.search_document import search_documents_sql
from fleets.models import Fleet, Organization, Role
from tests.bench.fill import checkpoint, execute, in_batches

ORGANIZATION = "benchmark"
EVERYTHING = (
    "devices_listening, devices_outage, devices_device, devices_vpnserver,"
    " fleets_fleet, fleets_organization, dashboard_user"
)
# `r` says which share of a thousand has which facts.
DEVICES = """
INSERT INTO devices_device
    (organization_id, fleet_id, uuid, name, device_type, notes, tags, os_version, supervisor_version, release,
     target_release, ip_addresses, mac_addresses, update_status, metrics, metrics_at, public_address,
     frozen_reason, is_active, activated_at, provisioned_at, first_contact_at, last_contact_at,
     provisioning_state, provisioning_progress, update_progress, progress_changed_at, vpn_enabled,
     vpn_connected, vpn_changed_at, vpn_server_id, vpn_session, heartbeat_state, heartbeat_changed_at,
     created_at, recorded_status_at, facts_reason)
SELECT %(organization)s, CASE WHEN n %% 10 = 0 THEN %(first_fleet)s
                              ELSE %(first_fleet)s + 1 + n %% (%(fleets)s - 1) END,
       md5(n::text),
       'site-' || site || '-' || (ARRAY['kiosk', 'gate', 'camera', 'sensor'])[1 + n %% 4] || '-' || n,
       (ARRAY['Raspberry Pi 5', 'Raspberry Pi 4', 'Intel NUC', 'Jetson Orin', 'Generic x86'])[1 + n %% 5],
       CASE WHEN n %% 5 = 0 THEN 'Mounted behind the door of cabinet ' || site || ', ask the warden'
            ELSE '' END,
       jsonb_build_object('site', site::text, 'batch', (n / greatest(1, %(devices)s / 100))::text)
           || CASE WHEN n %% 2 = 0 THEN '{"camera": "yes"}' ELSE '{}' END::jsonb
           || CASE WHEN n %% 10000 = 0 THEN '{"canary": ""}' ELSE '{}' END::jsonb,
       'Lookout OS 6.' || n %% 12, '17.0.1', '2.' || least(19, n %% 40) || '.0', '2.19.0',
       ARRAY['10.' || n / 65536 || '.' || n / 256 %% 256 || '.' || n %% 256],
       ARRAY['02:00:00:00:00:17'], CASE WHEN updating THEN 'downloading' ELSE '' END,
       '{"cpu_percent": 12.5, "memory_used": 412316860, "memory_total": 1073741824, "temperature": 51.5}',
       now(), ('192.0.' || site %% 256 || '.' || site %% 200)::inet,
       CASE WHEN r >= 990 THEN 'allowance' ELSE '' END, NOT inactive,
       CASE WHEN NOT inactive THEN now() - interval '100 days' END, now() - interval '100 days',
       CASE WHEN never THEN NULL ELSE now() - interval '100 days' END,
       CASE WHEN never THEN NULL WHEN polls THEN now() - interval '1 hour' * random() ELSE gone END,
       '', CASE WHEN r >= 955 AND r < 958 THEN 40 END, CASE WHEN updating THEN n %% 100 END,
       CASE WHEN updating AND r = 945 THEN now() - interval '2 hours' * random()
            WHEN updating THEN now() - interval '20 minutes' * random() END,
       n %% 50 > 0, tunnel, CASE WHEN never THEN NULL WHEN tunnel THEN now() - interval '20 days' * random()
                                 ELSE gone END,
       CASE WHEN tunnel THEN %(server)s END, '',
       CASE WHEN never THEN 'unknown' WHEN polls THEN 'recent' ELSE 'lost' END,
       CASE WHEN never THEN NULL WHEN polls THEN now() - interval '20 days' * random()
            ELSE gone + interval '1365 seconds' END,
       now() - interval '100 days' - n * interval '1 microsecond',
       CASE WHEN polls THEN now() - interval '20 days' * random() WHEN never THEN NULL
            ELSE gone + interval '1365 seconds' END,
       '{"slug": "report"}'
FROM (
    SELECT n, r, site, gone, inactive, never, updating, polls,
           polls AND NOT (r >= 930 AND r < 940) OR (r >= 920 AND r < 930) AS tunnel
    FROM (
        SELECT n, r, n / 1000 AS site,
               now() - interval '1 hour' - interval '90 days' * random() ^ 3 AS gone,
               r >= 965 AND r < 985 AS inactive, r >= 958 AND r < 985 AS never,
               r >= 940 AND r < 955 AS updating,
               r < 840 OR (r >= 930 AND r < 958) OR r >= 985 AS polls
        FROM (
            SELECT n, n * 7919 %% 1000 AS r FROM generate_series(%(first)s::bigint, %(last)s) AS n
        ) AS number
    ) AS kind
) AS made
"""
# Those that poll did so at some moment of the last interval; the lost ones when their row says.
HEARTBEATS = """
INSERT INTO devices_heartbeat
    (device_id, organization_id, last_poll_at, poll_interval, late_at, lost_at, due_at, recorded_other_at)
SELECT id, organization_id, polled, 900, polled + interval '1350 seconds', polled + interval '1365 seconds',
       CASE WHEN heartbeat_state = 'recent' THEN polled + interval '1350 seconds' END,
       CASE WHEN id % 10 = 3 THEN polled + interval '10 seconds' END
FROM (
    SELECT id, organization_id, heartbeat_state,
           CASE WHEN heartbeat_state = 'recent' THEN now() - (10 + 880 * random()) * interval '1 second'
                ELSE last_contact_at END AS polled
    FROM devices_device WHERE heartbeat_state IN ('recent', 'lost')
) AS device
"""


def fill(devices: int, fleets: int) -> None:
    """Migrates, and makes that many devices in that many fleets unless they are there.

    The ingest then fell silent: every reading stays the one of that moment, however long the run takes.
    """
    call_command("migrate", verbosity=0)
    if Device.objects.count() == devices and Listening.objects.exists():
        return
    execute(f"TRUNCATE {EVERYTHING} RESTART IDENTITY CASCADE")
    made = make_fleets(fleets) | {"devices": devices}
    in_batches("devices", devices, lambda first, last: make_devices(first, last, made))
    execute(search_documents_sql("devices_device"))
    counters.recount()
    execute(HEARTBEATS)
    execute(
        "INSERT INTO devices_listening (id, pulse_at, moved_to) SELECT 1, max(last_poll_at), 0"
        " FROM devices_heartbeat"
    )
    execute("VACUUM ANALYZE")
    checkpoint()


def make_fleets(fleets: int) -> dict[str, int]:
    """The organization, somebody who reads it, its fleets and the VPN server; their ids."""
    organization = Organization.objects.create(name="Benchmark", slug=ORGANIZATION)
    organization.memberships.create(user=User.objects.create_user("reader"), role=Role.OWNER)
    Fleet.objects.bulk_create(
        Fleet(organization=organization, name=f"Fleet {n:04}", slug=f"fleet-{n}", vpn_enabled=True)
        for n in range(fleets)
    )
    execute("INSERT INTO devices_vpnserver (name, boot) VALUES ('vpn', '')")
    return {"organization": organization.pk, "first_fleet": 1, "fleets": fleets, "server": 1}


def make_devices(first: int, last: int, made: dict[str, int]) -> None:
    execute("ALTER TABLE devices_device DISABLE TRIGGER USER")
    execute(DEVICES, first=first, last=last, **made)
    execute("ALTER TABLE devices_device ENABLE TRIGGER USER")
