"""The Fleets page."""

from django.urls import path

from fleets import views

app_name = "fleets"
urlpatterns = [path("", views.fleets, name="list")]
