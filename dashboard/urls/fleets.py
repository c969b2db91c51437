"""The addresses of the Fleets page and of the settings of organizations and fleets.

A level of an address has either names that people choose or fixed words, never both (tests/test_urls.py).
"""

from django.urls import path

from dashboard.pages.fleets import list as listing
from dashboard.pages.fleets import new as fleet_new
from dashboard.pages.fleets import settings as fleet_settings
from dashboard.pages.jobs import page as jobs
from dashboard.pages.settings import (
    alert_mail_links,
    alert_rules,
    alert_targets,
    audit,
    device_links,
    fleets,
    invitations,
    keys,
    maintenance,
    members,
    mutes,
    organizations,
    plan,
    rehearsals,
    sources,
    vpn_servers,
)

TARGET = "settings/<slug:organization>/alert-targets/<uuid:target>"

app_name = "fleets"
urlpatterns = [
    path("", listing.fleets, name="list"),
    path("settings/", organizations.mine, name="organizations"),
    path("organizations/new/", organizations.new, name="organization-new"),
    path("settings/<slug:organization>/", organizations.general, name="organization"),
    path("settings/<slug:organization>/delete/", organizations.delete, name="organization-delete"),
    path("settings/<slug:organization>/leave/", members.leave, name="leave"),
    path("settings/<slug:organization>/plan/", plan.shown, name="plan"),
    path("settings/<slug:organization>/plan/shown/", plan.switch, name="plan-shown"),
    path("settings/<slug:organization>/plan/change/", plan.change, name="plan-change"),
    path("settings/<slug:organization>/members/", members.listed, name="members"),
    path("settings/<slug:organization>/members/invite/", members.invite, name="member-invite"),
    path("settings/<slug:organization>/members/<int:member>/", members.member, name="member"),
    path("settings/<slug:organization>/members/<int:member>/remove/", members.remove, name="member-remove"),
    path(
        "settings/<slug:organization>/invitations/<key:invitation>/revoke/",
        invitations.revoke,
        name="invitation-revoke",
    ),
    path("join/", invitations.accept, name="invitation-accept"),
    path("invitations/<secret:secret>/", invitations.opened, name="invitation"),
    path("confirm-target/<secret:token>/", alert_mail_links.confirm, name="target-confirm"),
    path("unsubscribe/<secret:token>/", alert_mail_links.unsubscribe, name="unsubscribe"),
    path("settings/<slug:organization>/fleets/", fleets.listed, name="fleets"),
    path("settings/<slug:organization>/fleets/new/", fleet_new.new, name="fleet-new"),
    path("settings/<slug:organization>/audit/", audit.log, name="audit"),
    path("settings/<slug:organization>/audit/entries.csv", audit.csv, name="audit-csv"),
    path("settings/<slug:organization>/audit/entries.json", audit.json, name="audit-json"),
    path("settings/<slug:organization>/keys/", keys.service, name="keys"),
    path("settings/<slug:organization>/keys/<key:key>/revoke/", keys.revoke_service, name="key-revoke"),
    path("settings/<slug:organization>/device-links/", device_links.listed, name="device-links"),
    path("settings/<slug:organization>/device-links/<uuid:link>/", device_links.change, name="device-link"),
    path(
        "settings/<slug:organization>/device-links/<uuid:link>/delete/",
        device_links.delete,
        name="device-link-delete",
    ),
    path("settings/<slug:organization>/sources/", sources.listed, name="sources"),
    path("settings/<slug:organization>/sources/<uuid:source>/", sources.change, name="source"),
    path("settings/<slug:organization>/sources/<uuid:source>/check/", sources.check, name="source-check"),
    path("settings/<slug:organization>/sources/<uuid:source>/remove/", sources.remove, name="source-remove"),
    path("settings/<slug:organization>/alert-rules/", alert_rules.listed, name="alert-rules"),
    path("settings/<slug:organization>/alert-rules/new/", alert_rules.new, name="alert-rule-new"),
    path("settings/<slug:organization>/alert-rules/<uuid:rule>/", alert_rules.change, name="alert-rule"),
    path(
        "settings/<slug:organization>/alert-rules/<uuid:rule>/delete/",
        alert_rules.delete,
        name="alert-rule-delete",
    ),
    path(
        "settings/<slug:organization>/alert-rules/<uuid:rule>/rehearse/",
        rehearsals.start,
        name="alert-rule-rehearse",
    ),
    path("settings/<slug:organization>/alert-targets/", alert_targets.listed, name="alert-targets"),
    path("settings/<slug:organization>/alert-targets/new/", alert_targets.new, name="alert-target-new"),
    path(f"{TARGET}/", alert_targets.change, name="alert-target"),
    path(f"{TARGET}/test/", alert_targets.test, name="alert-target-test"),
    path(f"{TARGET}/rotate/", alert_targets.rotate, name="alert-target-rotate"),
    path(f"{TARGET}/pause/", alert_targets.pause, name="alert-target-pause"),
    path(f"{TARGET}/resume/", alert_targets.resume, name="alert-target-resume"),
    path(f"{TARGET}/confirm/", alert_targets.confirm, name="alert-target-confirm"),
    path(f"{TARGET}/delete/", alert_targets.delete, name="alert-target-delete"),
    path(f"{TARGET}/messages/<uuid:message>/again/", alert_targets.send_again, name="alert-message-again"),
    path("settings/<slug:organization>/maintenance/", maintenance.listed, name="windows"),
    path("settings/<slug:organization>/maintenance/new/", maintenance.new, name="window-new"),
    path("settings/<slug:organization>/maintenance/<uuid:window>/", maintenance.change, name="window"),
    path("settings/<slug:organization>/maintenance/<uuid:window>/end/", maintenance.end, name="window-end"),
    path(
        "settings/<slug:organization>/maintenance/<uuid:window>/cancel/",
        maintenance.cancel,
        name="window-cancel",
    ),
    path("settings/<slug:organization>/mutes/", mutes.listed, name="mutes"),
    path("settings/<slug:organization>/mutes/new/", mutes.new, name="mute-new"),
    path("settings/<slug:organization>/mutes/<uuid:mute>/end/", mutes.end, name="mute-end"),
    path("settings/<slug:organization>/vpn-servers/", vpn_servers.listed, name="vpn-servers"),
    path("settings/<slug:organization>/jobs/", jobs.recent, name="jobs"),
    path("fleets/<slug:slug>/settings/", fleet_settings.change, name="fleet-settings"),
    path("fleets/<slug:slug>/delete/", fleet_settings.delete, name="fleet-delete"),
    path("fleets/<slug:slug>/keys/", keys.provisioning, name="fleet-keys"),
    path("fleets/<slug:slug>/keys/<key:key>/revoke/", keys.revoke_provisioning, name="fleet-key-revoke"),
]
