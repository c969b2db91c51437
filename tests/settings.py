"""The site's own settings, made quick and repeatable for tests."""

import os

# A server given by DATABASE_URL makes these required; what they are does not matter here.
os.environ.setdefault("SECRET_KEY", "not-a-secret-only-for-tests-not-a-secret-only-for-tests")
os.environ.setdefault("KEY_PEPPER", "pepper-for-tests")
os.environ.setdefault("ALLOWED_HOSTS", "testserver,localhost,127.0.0.1")
os.environ.setdefault("HTTPS", "0")
os.environ["DATABASE_ROLE"] = "owner"  # makes and migrates the test database

from dashboard.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
