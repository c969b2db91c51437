"""Who may: one entry for each address of the site (tests/test_access.py).

A new address needs an entry here. Its parameters and what is posted are facts of tests.access.world.
"""

from __future__ import annotations

from typing import Final

from fleets.models import Role
from tests.access.rules import MEMBERS, NO, SIGN_IN, Page, Who, everybody, members, signed_in

OBSERVER, OPERATOR, ADMINISTRATOR, OWNER = Role

FLEET: Final = {"name": "Kiosks", "type": "standard", "every": "5", "unit": "min", "vpn_enabled": "on"}
ACCOUNT: Final = {
    "username": "newcomer",
    "email": "newcomer@people.example",
    "password": "a-long-password-77",
}
SOURCE: Final = {"name": "balena", "address": "http://127.0.0.1:1", "token": "token", "poll_interval": "600"}
RULE: Final = {
    "condition": "status",
    "name": "Kiosks",
    "severity": "info",
    "of-statuses": "offline",
    "delay_0": "2",
    "delay_1": "min",
    "hold_0": "2",
    "hold_1": "min",
    "gather_0": "60",
    "gather_1": "s",
    "hours-zone": "UTC",
}
WINDOW: Final = {
    "title": "Rewiring",
    "starts": "2036-03-02T22:00",
    "ends": "2036-03-03T02:00",
    "zone": "UTC",
}
PLAN: Final = {"plan": "paid", "allowance": "5", "seen": "{plan}"}
INCIDENT: Final = {"uuid": "{incident}"}
LINK: Final = {"token": "made-up"}  # which this site did not sign
INVITED: Final = {"invitation": "{invitation_digest}"}


def edited(said: dict[str, str]) -> Page:
    """An address at which operators edit a device."""
    return Page(members(OPERATOR, 200), members(OPERATOR, 302), said)


# The second step of signing in: who has not done the first one is led there.
LATER: Final = everybody(302) | {Who.ANONYMOUS: SIGN_IN}

PAGES: Final[dict[str, Page]] = {
    # Fleets and devices
    "fleets:list": Page(signed_in(200)),
    "devices:attention": Page(signed_in(200)),
    "devices:list": Page(signed_in(200)),
    "devices:csv": Page(signed_in(200)),
    "devices:json": Page(signed_in(200)),
    "devices:occurring": Page(signed_in(200)),
    "devices:columns": Page(NO, signed_in(302), {"columns": "os"}),
    # Saved views: one's own, and a shared one.
    "devices:views": Page(signed_in(200)),
    "devices:view-new": Page(signed_in(200), signed_in(302), {"name": "Mine"}),
    "devices:view": Page(
        members(OPERATOR, 200), members(OPERATOR, 302), {"name": "Renamed", "seen": "{seen_view}"}
    ),
    "devices:view-update": Page(
        NO, members(OPERATOR, 302), {"query": "status=frozen", "seen": "{seen_view}"}
    ),
    "devices:view-delete": Page(NO, members(OPERATOR, 302)),
    # Incidents: the world has one that is open, and a mute for all of it.
    "incidents:list": Page(signed_in(200)),
    "incidents:bell": Page(signed_in(200)),
    "incidents:read": Page(NO, signed_in(204), {"message": "{to_page}"}),
    "incidents:one": Page(members(OBSERVER, 200), named=INCIDENT),
    "incidents:acknowledge": Page(NO, members(OPERATOR, 302), {"acknowledge-note": "Mine"}, named=INCIDENT),
    "incidents:withdraw": Page(NO, members(OPERATOR, 302), named=INCIDENT),
    "incidents:mute": Page(
        NO, members(OBSERVER, 302), {"mute-until": "1h", "mute-whom": "me"}, named=INCIDENT
    ),
    "incidents:unmute": Page(NO, members(OPERATOR, 302), named=INCIDENT),
    # Several at once. Whoever is no member names no device, and is led back to the list.
    "devices:select": Page(
        NO,
        members(OPERATOR, 302) | {Who.STRANGER: 302, Who.SUPERUSER: 302},
        {"action": "deactivate", "sel": "{uuid}"},
    ),
    "devices:bulk": Page(members(OPERATOR, 200), members(OPERATOR, 302), {"preview": "1"}),
    "devices:detail": Page(members(OBSERVER, 200)),
    "devices:changes-csv": Page(members(OBSERVER, 200)),
    "devices:fleet": Page(members(OBSERVER, 200)),
    "devices:statuses": Page(signed_in(200)),
    # What is done to one device. The one of the world never had contact, so that both its links are down.
    "devices:preregister": Page(members(OPERATOR, 200), members(OPERATOR, 201), {"name": "new"}),
    "devices:name": edited({"name": "kiosk-9", "seen": "{seen_name}"}),
    "devices:notes": edited({"notes": "Left.", "seen": "{seen_notes}"}),
    "devices:tags": edited({"tags": "site = a", "seen": "{seen_tags}"}),
    "devices:poll_interval": edited({"every": "5", "unit": "min", "seen": "{seen_interval}"}),
    "devices:deactivate": Page(members(OPERATOR, 200), members(OPERATOR, 302)),
    "devices:move": Page(members(OPERATOR, 200), members(OPERATOR, 302), {"from": "{slug}", "to": "{empty}"}),
    "devices:delete": Page(
        members(ADMINISTRATOR, 200), members(ADMINISTRATOR, 302), {"confirm": "{device_name}"}
    ),
    "devices:key": Page(members(OPERATOR, 200), members(OPERATOR, 201), {"newest": "{device_key}"}),
    "devices:key-revoke": Page(NO, members(OPERATOR, 302), named={"key": "{device_key}"}),
    # Jobs in the background
    "devices:job": Page(members(OPERATOR, 200)),
    "devices:job-cancel": Page(NO, members(OPERATOR, 302)),
    "fleets:jobs": Page(members(OPERATOR, 200)),
    "devices:job-keys": Page(NO, members(OPERATOR, 200), named={"job": "{list_job}"}),
    "devices:job-keys-confirm": Page(NO, members(OPERATOR, 302), named={"job": "{list_job}"}),
    "devices:import": Page(members(OPERATOR, 200), members(OPERATOR, 302), files={"file": "name\npump-1\n"}),
    "devices:import-template": Page(members(OPERATOR, 200)),
    "devices:import-preview": Page(members(OPERATOR, 200), members(OPERATOR, 302)),
    # Organizations
    "fleets:organizations": Page(signed_in(200)),
    "fleets:organization-new": Page(signed_in(200), signed_in(302), {"name": "New"}),
    "fleets:organization": Page(members(OBSERVER, 200), members(OWNER, 302), {"name": "Renamed"}),
    "fleets:fleets": Page(members(OBSERVER, 200)),
    "fleets:organization-delete": Page(
        members(OWNER, 200), members(OWNER, 200), {"confirm": "{organization}"}
    ),
    "fleets:plan": Page(members(OBSERVER, 200)),
    "fleets:plan-shown": Page(NO, members(OWNER, 302)),
    "fleets:plan-change": Page(members(OWNER, 200), members(OWNER, 302), PLAN),
    # Members. The only Owner may not leave: the page says why.
    "fleets:leave": Page(members(OBSERVER, 200), members(OBSERVER, 302) | {Who.OWNER: 200}),
    "fleets:members": Page(members(OBSERVER, 200)),
    "fleets:member-invite": Page(
        members(OWNER, 200), members(OWNER, 200), {"role": "owner", "days": "7", "newest": "{invitation}"}
    ),
    "fleets:member": Page(members(OWNER, 200), members(OWNER, 302), {"role": "administrator"}),
    "fleets:member-remove": Page(NO, members(OWNER, 302)),
    "fleets:invitation-revoke": Page(NO, members(OWNER, 302)),
    # Whoever has the link; it leads on to the page that accepts.
    "fleets:target-confirm": Page(everybody(404), everybody(404), named=LINK),
    "fleets:unsubscribe": Page(everybody(404), everybody(404), named=LINK),
    "fleets:invitation": Page(everybody(302)),
    "fleets:invitation-accept": Page(everybody(200), everybody(302), ACCOUNT, session=INVITED),
    # Fleets' settings and keys
    "fleets:fleet-new": Page(
        members(ADMINISTRATOR, 200), members(ADMINISTRATOR, 302), {**FLEET, "slug": "new"}
    ),
    "fleets:fleet-settings": Page(
        members(ADMINISTRATOR, 200), members(ADMINISTRATOR, 302), {**FLEET, "seen": "{seen}"}
    ),
    "fleets:fleet-delete": Page(
        members(ADMINISTRATOR, 200),
        members(ADMINISTRATOR, 302),
        {"confirm": "{empty}"},
        named={"slug": "{empty}"},
    ),
    "fleets:fleet-keys": Page(
        members(ADMINISTRATOR, 200),
        members(ADMINISTRATOR, 200),
        {"name": "cards", "days": "", "newest": "{provisioning_key}"},
    ),
    "fleets:fleet-key-revoke": Page(NO, members(ADMINISTRATOR, 302), named={"key": "{provisioning_key}"}),
    "fleets:keys": Page(
        members(ADMINISTRATOR, 200),
        members(ADMINISTRATOR, 200),
        {"name": "vpn", "days": "", "newest": "{service_key}"},
    ),
    "fleets:key-revoke": Page(NO, members(ADMINISTRATOR, 302), named={"key": "{service_key}"}),
    "fleets:device-links": Page(
        members(ADMINISTRATOR, 200),
        members(ADMINISTRATOR, 302),
        {"name": "Logs", "template": "https://logs.example/{{uuid}}"},
    ),
    "fleets:device-link": Page(
        members(ADMINISTRATOR, 200),
        members(ADMINISTRATOR, 302),
        {"name": "Terminal", "template": "ssh://{{ip}}", "seen": "{seen_device_link}"},
        named={"link": "{device_link}"},
    ),
    "fleets:device-link-delete": Page(NO, members(ADMINISTRATOR, 302), named={"link": "{device_link}"}),
    # Nothing answers at their addresses.
    "fleets:sources": Page(members(ADMINISTRATOR, 200), members(ADMINISTRATOR, 200), SOURCE),
    "fleets:source": Page(
        members(ADMINISTRATOR, 200),
        members(ADMINISTRATOR, 200),
        SOURCE | {"seen": "{seen_source}"},
        named={"source": "{source}"},
    ),
    "fleets:source-check": Page(NO, members(ADMINISTRATOR, 302), named={"source": "{source}"}),
    "fleets:source-remove": Page(NO, members(ADMINISTRATOR, 302), named={"source": "{source}"}),
    # Alerts
    "fleets:alert-rules": Page(members(OPERATOR, 200)),
    "fleets:alert-rule-new": Page(members(ADMINISTRATOR, 200), members(ADMINISTRATOR, 302), RULE),
    "fleets:alert-rule": Page(
        members(OPERATOR, 200), members(ADMINISTRATOR, 302), RULE | {"seen": "{seen_rule}"}
    ),
    "fleets:alert-rule-rehearse": Page(NO, members(OPERATOR, 302), {"days": "7"}),
    "fleets:alert-rule-delete": Page(NO, members(ADMINISTRATOR, 302)),
    "fleets:alert-targets": Page(members(OPERATOR, 200)),
    "fleets:alert-target-new": Page(
        members(ADMINISTRATOR, 200),
        members(ADMINISTRATOR, 302),
        {"kind": "role", "name": "All", "role": "owner"},
    ),
    "fleets:alert-target": Page(
        members(OPERATOR, 200),
        members(ADMINISTRATOR, 302),
        {"name": "Owners", "role": "owner", "seen": "{seen_target}"},
    ),
    "fleets:alert-target-test": Page(NO, members(ADMINISTRATOR, 200)),
    "fleets:alert-target-rotate": Page(NO, members(ADMINISTRATOR, 302), {"seen": "{seen_target}"}),
    "fleets:alert-target-pause": Page(NO, members(ADMINISTRATOR, 302)),
    "fleets:alert-target-resume": Page(NO, members(ADMINISTRATOR, 302)),
    "fleets:alert-target-confirm": Page(NO, members(ADMINISTRATOR, 302)),
    "fleets:alert-target-delete": Page(NO, members(ADMINISTRATOR, 302)),
    "fleets:alert-message-again": Page(NO, members(ADMINISTRATOR, 302), named={"message": "{message}"}),
    "fleets:windows": Page(members(OPERATOR, 200)),
    "fleets:window-new": Page(members(OPERATOR, 200), members(OPERATOR, 302), WINDOW),
    "fleets:window": Page(members(OPERATOR, 200), members(OPERATOR, 302), WINDOW | {"seen": "{seen_window}"}),
    "fleets:window-end": Page(NO, members(OPERATOR, 302)),
    "fleets:window-cancel": Page(NO, members(OPERATOR, 302)),
    "fleets:mutes": Page(members(OBSERVER, 200)),
    "fleets:mute-new": Page(members(OBSERVER, 200), members(OBSERVER, 200)),
    "fleets:mute-end": Page(NO, members(OPERATOR, 302)),
    "fleets:vpn-servers": Page(members(OBSERVER, 200)),
    "account-followed": Page(members(OBSERVER, 200), members(OBSERVER, 302), {"severity": ""}),
    "account-unsubscribed": Page(NO, signed_in(302)),
    "account-notifications": Page(signed_in(200), signed_in(302), {"hours-zone": "UTC"}),
    # The audit log
    "fleets:audit": Page(members(ADMINISTRATOR, 200)),
    "fleets:audit-csv": Page(members(ADMINISTRATOR, 200)),
    "fleets:audit-json": Page(members(ADMINISTRATOR, 200)),
    # The person's own account
    "account": Page(signed_in(200), signed_in(302), {"time_zone": "Asia/Tokyo"}),
    "account_email_change": Page(signed_in(200), signed_in(200), {"email": "else@people.example"}),
    "account_email_link": Page(everybody(302)),
    "account_email_prove": Page(signed_in(302), signed_in(302)),  # nobody has opened a link
    "account_change_password": Page(
        signed_in(200),
        signed_in(302),
        {
            "oldpassword": "{password}",
            "password1": "tangled-otter-41",
            "password2": "tangled-otter-41",
        },
    ),
    "account_set_password": Page(signed_in(302), signed_in(302)),  # who has one is led to changing it
    "account_reauthenticate": Page(signed_in(200), signed_in(302), {"password": "{password}"}),
    # Nobody in the world has a second factor; what changes one asks first who it is.
    "mfa_reauthenticate": Page(signed_in(302), signed_in(302)),
    "mfa_reauthenticate_webauthn": Page(signed_in(302), signed_in(302)),
    "mfa_index": Page(signed_in(200)),
    "mfa_activate_totp": Page(signed_in(302), signed_in(302)),
    "mfa_deactivate_totp": Page(signed_in(404), signed_in(404)),
    "mfa_view_recovery_codes": Page(signed_in(404)),
    "mfa_generate_recovery_codes": Page(signed_in(302), signed_in(302)),
    "mfa_download_recovery_codes": Page(signed_in(404)),
    "mfa_list_webauthn": Page(signed_in(200)),
    "mfa_add_webauthn": Page(signed_in(302), signed_in(302)),
    "mfa_edit_webauthn": Page(signed_in(302), signed_in(302)),
    "mfa_remove_webauthn": Page(signed_in(302), signed_in(302)),
    "socialaccount_connections": Page(signed_in(200), signed_in(200), {"account": "0"}),
    "account_sessions": Page(signed_in(200)),
    "account_sessions_end": Page(NO, signed_in(302)),
    "account_session_end": Page(NO, signed_in(302)),
    # The site
    "welcome": Page(everybody(302), everybody(302)),  # the first run is over
    # Signing in and out
    "account_login": Page(
        everybody(302) | {Who.ANONYMOUS: 200},
        everybody(302),
        {"login": "owner", "password": "{password}"},
    ),
    "account_inactive": Page(everybody(200)),
    "openid_connect_login": Page(NO, everybody(404)),  # no provider is named
    "openid_connect_callback": Page(everybody(404)),
    "socialaccount_login_cancelled": Page(everybody(200)),
    "mfa_authenticate": Page(LATER, LATER),
    "mfa_login_webauthn": Page(LATER, LATER),
    "account_reset_password": Page(everybody(200), everybody(302), {"email": "nobody@people.example"}),
    "account_reset_password_done": Page(everybody(200)),
    "account_reset_password_from_key": Page(everybody(200), everybody(200), {"password1": "x"}),
    "account_reset_password_from_key_done": Page(everybody(200)),
    "account_logout": Page(NO, everybody(SIGN_IN), signs_out=True),
    "session": Page(everybody(200)),
    "theme": Page(NO, everybody(302), {"theme": "dark"}),
}

# Who gets events of the stream (dashboard/live/event_stream.py) of the organization that the world is
# about; of their own all do.
HEARS: Final[dict[Who, bool]] = dict.fromkeys(Who, False) | dict.fromkeys(MEMBERS.values(), True)
