"""The table of all pages and states of which pictures are taken; the last ones change what others show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from devices.rules.vocabulary import Status
from tests.pictures import mirrored, reach, signing_in
from tests.pictures.reach import EMPTY, ORGANIZATION, Reach, at, clicked, sent


@dataclass(frozen=True)
class State:
    name: str
    reach: Reach
    signed_in: bool = True
    only_in_a_demo: bool = False  # it needs a worker, or takes long to come about


def out(name: str, how: Reach) -> State:
    """A state of a page for people who are not signed in."""
    return State(name, how, signed_in=False)


SETTINGS: Final = f"/settings/{ORGANIZATION}"
PREREGISTER: Final = "/fleets/station-kiosks/preregister/"
LOST: Final = "/devices/?status=offline&status=vpn-only&status=heartbeat-only&vpn=disconnected"
COLUMNS: Final = "/devices/?columns=os&columns=tags&columns=ip"
INVITED: Final = {"E-mail address": "kim@halden-transit.example"}
UNREACHABLE: Final = {"Name": "balena", "Address of the API": "http://127.0.0.1:1", "API key": "key"}
MISNAMED: Final = {"Name": "Logs", "Address or command": "ssh {ipaddr}"}
FAULTY: Final = "uuid,name,tags\nnot-a-uuid,ferry-1,\n,,line = 1 = 2\n,ferry-2,a;a\n"
STRANGE: Final = "Serial no.,name,Colour\n7,ferry-1,red\n"
LIST: Final = "name,tags,notes\n" + "".join(f"ferry-{n:05},quay = {n % 7},\n" for n in range(1, 9001))

SIGNING_IN: Final = (
    out("sign-in", at("/sign-in/")),
    out("sign-in-refused", signing_in.refused),
    out("password-forgotten", at("/sign-in/forgotten/")),
    out("password-forgotten-sent", at("/sign-in/forgotten/sent/")),
    out("account-inactive", at("/sign-in/inactive/")),
    out("invitation-not-good", at("/invitations/made-up/")),
    out("alert-link-not-good", at("/confirm-target/made-up/")),
    out("not-found-signed-out", at("/nowhere/")),
)

FLEETS: Final = (
    State("fleets", at("/")),
    State("fleets-none-match", at("/?q=nothing-is-called-so")),
    State("fleets-organizations-open", clicked("/", ".menu.org summary")),
    State("fleets-account-open", clicked("/", "summary.avatar-btn")),
    State("fleets-unsubscribed", reach.unsubscribed),
    State("fleets-paused", reach.paused),
    State("fleets-stale", reach.stale, only_in_a_demo=True),
    State("fleet", at("/fleets/station-kiosks/")),
    State("attention", at("/attention/")),
    State("attention-opened", reach.incident_opened),
    State("attention-of-a-fleet", at("/attention/?fleet=station-kiosks")),
    State("attention-nothing", at("/attention/?fleet=depot-vision")),
    State("incidents", at("/incidents/")),
    State("incidents-over", at("/incidents/?state=over")),
    State("incidents-none-match", at("/incidents/?state=held&severity=info")),
    State("incident", reach.incident),
    State("bell-open", clicked("/incidents/", "#unread summary")),
    State("statuses", at("/statuses/")),
)

DEVICES: Final = (
    State("devices", at("/devices/")),
    State(
        "devices-filtered",
        at(LOST),
    ),
    State("devices-none-match", at("/devices/?q=nothing-is-called-so")),
    State("devices-bad-filter", at("/devices/?vpn=sideways&after=garbled")),
    State("devices-links-open", clicked("/devices/", "#menu-links summary")),
    State("devices-facts-open", clicked("/devices/", "#menu-facts summary")),
    State("devices-tags-open", clicked("/devices/", "#menu-tags summary")),
    State(
        "devices-columns-open",
        clicked(COLUMNS, "#menu-columns summary"),
    ),
    State("devices-export-open", clicked("/devices/", "#menu-export summary")),
    State("devices-tooltip", reach.hovered),
    State("devices-ticked", reach.ticked("/devices/")),
    State("bulk-move", reach.ticked("/devices/", "Move…")),
    State("bulk-poll-interval", reach.ticked("/devices/", "Poll interval…")),
    State("bulk-deactivate", reach.ticked("/devices/", "Deactivate…", matching=True)),
    State("bulk-deactivate-none", reach.ticked("/devices/?status=online", "Deactivate…")),
    State("bulk-delete", reach.ticked("/devices/?status=offline", "Delete…")),
    State("view-new", at("/devices/views/new/?status=offline")),
    State("views-none", at("/devices/views/")),
    State("preregister", at(PREREGISTER)),
    State(
        "preregister-faulty",
        sent(PREREGISTER, {"UUID": "not-a-uuid"}, "Preregister"),
    ),
)

SUMMARY: Final = (
    *(State(f"device-{status.value}", reach.device(status.value)) for status in Status),
    State("device-7d", reach.device("online", "?range=7d")),
    State("device-30d", reach.device("online", "?range=30d")),
    State("device-actions-open", reach.acted("online")),
    State("device-edit-notes", reach.edited("notes")),
    State("device-edit-poll-interval", reach.edited("poll_interval")),
    State("device-signed-out", reach.signed_out),
    State("device-edit-page", reach.asked_of("inactive", "tags/")),
    State("device-deactivate", reach.asked_of("offline", "deactivate/")),
    State("device-deactivate-not-now", reach.asked_of("online", "deactivate/")),
    State("device-deactivate-already", reach.asked_of("inactive", "deactivate/")),
    State("device-move", reach.asked_of("online", "move/")),
    State("device-move-preview", reach.asked_of("online", "move/?to=depot-vision")),
    State("device-delete", reach.asked_of("offline", "delete/")),
    State("device-key", reach.asked_of("online", "key/")),
)

OURS: Final = (
    State("settings", at("/settings/")),
    State("organization", at(f"{SETTINGS}/")),
    State("organization-new", at("/organizations/new/")),
    State("organization-delete", at(f"{SETTINGS}/delete/")),
    State("organization-leave", at(f"{SETTINGS}/leave/")),
    State("members", at(f"{SETTINGS}/members/")),
    State("member", clicked(f"{SETTINGS}/members/", ".members .c-act a")),
    State("invite", at(f"{SETTINGS}/members/invite/")),
    State("plan", at(f"{SETTINGS}/plan/")),
    State("keys", at(f"{SETTINGS}/keys/")),
    State("device-links", at(f"{SETTINGS}/device-links/")),
    State("device-link", clicked(f"{SETTINGS}/device-links/", ".own-list a")),
    State("device-link-faulty", sent(f"{SETTINGS}/device-links/", MISNAMED, "Add the link")),
    State("sources", at(f"{SETTINGS}/sources/")),
    State("source-faulty", sent(f"{SETTINGS}/sources/", UNREACHABLE, "Check and add the source")),
    State("alert-rules", at(f"{SETTINGS}/alert-rules/")),
    State("alert-rule", clicked(f"{SETTINGS}/alert-rules/", ".own-list a")),
    State("alert-rule-rehearsed", reach.rule_rehearsed),
    State("alert-rule-new", at(f"{SETTINGS}/alert-rules/new/")),
    State("alert-rule-faulty", sent(f"{SETTINGS}/alert-rules/new/?condition=share", {}, "Create the rule")),
    State("alert-targets", at(f"{SETTINGS}/alert-targets/")),
    State("alert-target", clicked(f"{SETTINGS}/alert-targets/", ".own-list a")),
    State("alert-target-new", at(f"{SETTINGS}/alert-targets/new/")),
    State(
        "alert-target-faulty", sent(f"{SETTINGS}/alert-targets/new/?kind=telegram", {}, "Create the target")
    ),
    State("maintenance", at(f"{SETTINGS}/maintenance/")),
    State("window-new", at(f"{SETTINGS}/maintenance/new/")),
    State("window-faulty", sent(f"{SETTINGS}/maintenance/new/", {"Title": "Rewiring"}, "Plan the window")),
    State("mutes", at(f"{SETTINGS}/mutes/")),
    State("mute-new", at(f"{SETTINGS}/mutes/new/")),
    State("mute", clicked(f"{SETTINGS}/mutes/new/", ".own-list a")),
    State("vpn-servers", at(f"{SETTINGS}/vpn-servers/")),
    State("jobs", at(f"{SETTINGS}/jobs/")),
    State("audit", at(f"{SETTINGS}/audit/")),
    State("audit-none-match", at(f"{SETTINGS}/audit/?who=nobody-is-called-so")),
    State("settings-fleets", at(f"{SETTINGS}/fleets/")),
    State("fleet-new", at(f"{SETTINGS}/fleets/new/")),
    State("fleet-new-faulty", sent(f"{SETTINGS}/fleets/new/", {}, "Create the fleet")),
    State("fleet-settings", at("/fleets/station-kiosks/settings/")),
    State("fleet-keys", at("/fleets/station-kiosks/keys/")),
    State("fleet-delete-full", at("/fleets/station-kiosks/delete/")),
)

ACCOUNT: Final = (
    State("account", at("/account/")),
    State("account-notifications", at("/account/notifications/")),
    State("account-followed", at(f"/account/notifications/{ORGANIZATION}/")),
    State("account-password", at("/account/password/")),
    State("account-email", at("/account/email/")),
    State("account-factors", at("/account/factors/")),
    State("account-passkeys", at("/account/passkeys/")),
    State("account-connection", at("/account/connection/")),
    State("account-sessions", at("/account/sessions/")),
    State("account-confirm", at("/account/confirm/")),
    State("account-app-add", signing_in.confirmed("/account/factors/app/add/")),
    State("account-passkey-add", signing_in.confirmed("/account/passkeys/add/")),
)

ERRORS: Final = (
    State("error-400", reach.rendered("400.html")),
    State("error-403", reach.rendered("403.html")),
    State("error-403-form-expired", reach.rendered("403_csrf.html")),
    State("error-403-form-kept", reach.outlived),
    State("error-404", at("/devices/00000000000000000000000000000000/")),
    State("error-500", reach.rendered("500.html")),
    State("error-503", reach.rendered("503.html")),
)

# From here on each one changes something.
CHANGES: Final = (
    State("device-conflict", reach.conflicted),
    State("views", reach.viewed),
    State("view", clicked("/devices/views/", ".own-view .btn-icon")),
    State("view-changed", reach.opened_and_changed),
    State("view-conflict", reach.updated_late),
    State("bulk-tag", reach.ticked("/devices/?status=inactive", "Tag…", matching=True)),
    State("bulk-tag-preview", reach.tagged("depot = north", done=False)),
    State("job-done", reach.tagged("depot = north", done=True)),
    State("preregistered", sent("/fleets/lab-bench/preregister/", {"Name": "bench-zero-2"}, "Preregister")),
    State("key-made", sent(f"{SETTINGS}/keys/", {"Name": "vpn-5"}, "Create a key")),
    State(
        "invitation-made",
        sent(
            f"{SETTINGS}/members/invite/", {"E-mail address": "kim@halden-transit.example"}, "Create the link"
        ),
    ),
    State("members-invited", at(f"{SETTINGS}/members/")),
    State(
        "alert-target-secret",
        sent(
            f"{SETTINGS}/alert-targets/new/?kind=webhook",
            {"Name": "Ops", "Address": "https://hooks.halden-transit.example/"},
            "Create the target",
        ),
    ),
    State(
        "maintenance-planned",
        sent(
            f"{SETTINGS}/maintenance/new/",
            {"Title": "Rewiring", "Starts": "2036-03-02T22:00", "Ends": "2036-03-03T02:00"},
            "Plan the window",
        ),
    ),
    State("plan-preview", sent(f"{SETTINGS}/plan/", {"[name=allowance]": "20"}, "Show what changes")),
    State(
        "organization-empty", sent("/organizations/new/", {"Name": "Aker Ferries"}, "Create the organization")
    ),
    State("fleets-empty", at(f"/?org={EMPTY}")),
    State("devices-empty", at(f"/devices/?org={EMPTY}")),
    State("attention-empty", at(f"/attention/?org={EMPTY}")),
    State("device-links-empty", at(f"/settings/{EMPTY}/device-links/")),
    State("alert-rules-empty", at(f"/settings/{EMPTY}/alert-rules/")),
    State("keys-empty", at(f"/settings/{EMPTY}/keys/")),
    State("jobs-empty", at(f"/settings/{EMPTY}/jobs/")),
    State("fleet-made", sent(f"/settings/{EMPTY}/fleets/new/", {"Name": "Aker Ferries"}, "Create the fleet")),
    State("fleet-empty", at(f"/fleets/{EMPTY}/")),
    State("fleet-keys-empty", at(f"/fleets/{EMPTY}/keys/")),
    State("fleet-delete", at(f"/fleets/{EMPTY}/delete/")),
    State("import", at(f"/fleets/{EMPTY}/preregister/file/")),
    State("import-faulty", reach.given(FAULTY)),
    State("import-columns", reach.given(STRANGE)),
    State("import-preview", reach.given(LIST)),
    State("job-running", reach.given(LIST, confirmed=True)),
    State("import-done", reach.finished, only_in_a_demo=True),
    State("devices-many", at(f"/devices/?org={EMPTY}"), only_in_a_demo=True),
    State("recovery-codes", signing_in.with_app),
    State("account-factors-with-app", at("/account/factors/")),
    out("second-factor", signing_in.second_factor),
)

# In this order: the source of a demo is read once, then fails, and then is silent.
MIRRORED: Final = (
    State("source-added", mirrored.added, only_in_a_demo=True),
    State("sources-read", at(mirrored.SOURCES)),
    State("source", mirrored.source(mirrored.WELL)),
    State("fleet-mirrored", at(mirrored.FLEET)),
    State("device-mirrored", mirrored.device()),
    State("device-mirrored-refused", mirrored.device("key/")),
    State("source-failing", mirrored.source(mirrored.FAILING)),
    State("source-silent", mirrored.source(mirrored.SILENT)),
    State("fleet-mirrored-silent", at(mirrored.SILENT_FLEET)),
)

STATES: Final = (*SIGNING_IN, *FLEETS, *DEVICES, *SUMMARY, *OURS, *ACCOUNT, *ERRORS, *CHANGES, *MIRRORED)
