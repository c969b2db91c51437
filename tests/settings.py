"""The settings of the site, changed so that tests are fast and repeatable."""

import os
from pathlib import Path

os.environ.setdefault("LOCAL", "1")
# A database of their own, which need not survive the machine's end: see tests/conftest.py.
os.environ.setdefault("STATE_DIRECTORY", str(Path(__file__).resolve().parent.parent / "var" / "tests"))
os.environ["DATABASE_ROLE"] = "owner"  # makes and migrates the test database

from dashboard.settings import *  # noqa: F403

PASSWORD_HASHERS = ["tests.hashing.Quick"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
