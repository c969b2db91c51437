"""The site's own settings as in production; its static files are collected beside its state."""

from dashboard.settings import *  # noqa: F403
from dashboard.settings import STATE_DIRECTORY

STATIC_ROOT = STATE_DIRECTORY / "static"
