"""The addresses of pages about devices, in which fleets are named by slug and devices by UUID."""

from django.urls import path

from dashboard.pages.attention import list as attention
from dashboard.pages.device import changes_csv as changes
from dashboard.pages.device import edit as editing
from dashboard.pages.device import keys as device_keys
from dashboard.pages.device import legend as statuses
from dashboard.pages.device import lifecycle, preregister
from dashboard.pages.device import summary as detail
from dashboard.pages.devices import bulk, export, saved_views, suggestions
from dashboard.pages.devices import column_menu as columns
from dashboard.pages.devices import import_file as imports
from dashboard.pages.devices import list as listing
from dashboard.pages.jobs import page as jobs

app_name = "devices"
urlpatterns = [
    path("attention/", attention.attention, name="attention"),
    path("devices/", listing.devices, name="list"),
    path("devices/devices.csv", export.csv, name="csv"),
    path("devices/devices.json", export.json, name="json"),
    path("devices/occurring/", suggestions.suggest, name="occurring"),
    path("devices/selections/", bulk.select, name="select"),
    path("devices/selections/<uuid:selection>/<slug:action>/", bulk.act, name="bulk"),
    path("devices/columns/", columns.remember, name="columns"),
    path("devices/views/", saved_views.listed, name="views"),
    path("devices/views/new/", saved_views.new, name="view-new"),
    path("devices/views/<uuid:view>/", saved_views.change, name="view"),
    path("devices/views/<uuid:view>/update/", saved_views.update, name="view-update"),
    path("devices/views/<uuid:view>/delete/", saved_views.delete, name="view-delete"),
    path("devices/<device:uuid>/", detail.device, name="detail"),
    path("devices/<device:uuid>/changes.csv", changes.csv, name="changes-csv"),
    path("devices/<device:uuid>/name/", editing.edit, {"field": "name"}, name="name"),
    path("devices/<device:uuid>/notes/", editing.edit, {"field": "notes"}, name="notes"),
    path("devices/<device:uuid>/tags/", editing.edit, {"field": "tags"}, name="tags"),
    path(
        "devices/<device:uuid>/poll-interval/", editing.edit, {"field": "poll_interval"}, name="poll_interval"
    ),
    path("devices/<device:uuid>/deactivate/", lifecycle.deactivate, name="deactivate"),
    path("devices/<device:uuid>/move/", lifecycle.move, name="move"),
    path("devices/<device:uuid>/delete/", lifecycle.delete, name="delete"),
    path("devices/<device:uuid>/key/", device_keys.rotate, name="key"),
    path("devices/<device:uuid>/key/<key:key>/revoke/", device_keys.revoke, name="key-revoke"),
    path("fleets/<slug:slug>/", listing.fleet, name="fleet"),
    path("fleets/<slug:slug>/preregister/", preregister.preregister, name="preregister"),
    path("fleets/<slug:slug>/preregister/file/", imports.upload, name="import"),
    path("fleets/<slug:slug>/preregister/file/devices.csv", imports.template, name="import-template"),
    path("fleets/<slug:slug>/preregister/file/<uuid:listed>/", imports.preview, name="import-preview"),
    path("jobs/<uuid:job>/", jobs.job, name="job"),
    path("jobs/<uuid:job>/cancel/", jobs.cancel, name="job-cancel"),
    path("jobs/<uuid:job>/keys/", imports.keys, name="job-keys"),
    path("jobs/<uuid:job>/keys/confirm/", imports.keys_confirmed, name="job-keys-confirm"),
    path("statuses/", statuses.statuses, name="statuses"),
]
