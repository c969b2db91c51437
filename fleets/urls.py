"""The Fleets page."""

from django.urls import path

from fleets.views import listing

app_name = "fleets"
urlpatterns = [path("", listing.fleets, name="list")]
