"""The admin of the people who sign in."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from dashboard.models import User


@admin.register(User)
class PersonAdmin(UserAdmin):
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Display", {"fields": ["time_zone"]}))
