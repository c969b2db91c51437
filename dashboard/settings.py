"""The settings of Django and of this site, read once from the environment.

README.md lists the variables. A value that cannot be read stops the start with an error.
"""

import os
import zoneinfo
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from environs import Env, validate

from dashboard import __version__
from dashboard.environment import database, files, hosts, required
from dashboard.environment.secrets import kept_secret
from dashboard.environment.signing_in import *  # noqa: F403 - which Django and allauth read by their names here

env = Env()

_unreadable = files.take(os.environ)  # before anything is read: DATABASE_URL_FILE gives DATABASE_URL

BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIRECTORY = env.path("STATE_DIRECTORY", BASE_DIR / "var")
DEBUG = env.bool("DEBUG", False)
VERSION = __version__

# The database. Without DATABASE_URL the site speaks to its own embedded PostgreSQL.

os.environ.update(database.SESSION)  # libpq reads these for every connection of this process
EMBEDDED = not env.str("DATABASE_URL", "")
if EMBEDDED:
    DATABASE_URL = database.url(STATE_DIRECTORY, database.APPLICATION)
    DATABASE_OWNER_URL = database.url(STATE_DIRECTORY, database.OWNER)
else:
    DATABASE_URL = env.str("DATABASE_URL")
    DATABASE_OWNER_URL = env.str("DATABASE_OWNER_URL", DATABASE_URL)
# For LISTEN and advisory locks, which do not work through a PgBouncer in transaction mode.
DATABASE_DIRECT_URL = database.conninfo(env.str("DATABASE_DIRECT_URL", DATABASE_URL))
# The role "owner" may change the schema; manage.py sets it for `migrate`.
DATABASE_ROLE = env.str("DATABASE_ROLE", "application", validate=validate.OneOf(["application", "owner"]))
# At most so many connections in the pool of a process; 0: no pool, a new connection for each request.
DATABASE_POOL = env.int("DATABASE_POOL", 20, validate=validate.Range(min=0))
# Only where connections last, and lead to the database itself.
PREPARED_STATEMENTS = DATABASE_POOL > 0 and database.conninfo(DATABASE_URL) == DATABASE_DIRECT_URL

DATABASES: dict[str, dict[str, Any]] = {
    "default": database.django_database(DATABASE_OWNER_URL, pool_size=0)
    if DATABASE_ROLE == "owner"
    else database.django_database(DATABASE_URL, pool_size=DATABASE_POOL)
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Secrets and hosts. Only a trial on this machine generates what is missing.

LOCAL = env.bool("LOCAL", EMBEDDED or DEBUG)
required.require(os.environ, _unreadable, local=LOCAL)
if LOCAL:
    SECRET_KEY = env.str("SECRET_KEY", "") or kept_secret(STATE_DIRECTORY / "secret-key")
    # New keys are hashed with the first pepper, and all are accepted: to change it, put a new one in front.
    KEY_PEPPER = env.list("KEY_PEPPER", []) or [kept_secret(STATE_DIRECTORY / "key-pepper")]
    _hosts = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
else:
    SECRET_KEY = env.str("SECRET_KEY")
    KEY_PEPPER = env.list("KEY_PEPPER")
    _hosts = env.list("ALLOWED_HOSTS")
HOSTS = [hosts.name_and_port(host) for host in _hosts]  # Django compares names only
ALLOWED_HOSTS = [name for name, _ in HOSTS]
# Former values of SECRET_KEY, which still read sessions and second factors.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
TRUSTED_PROXIES = hosts.checked_networks(env.list("TRUSTED_PROXIES", []))
# Who may read /metrics and /readyz.
METRICS_NETWORKS = hosts.read_networks(
    "METRICS_NETWORKS", env.list("METRICS_NETWORKS", ["127.0.0.0/8", "::1/128"])
)

# HTTPS: off only for a trial on this machine.

HTTPS = env.bool("HTTPS", not LOCAL)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
if HTTPS:  # a browser accepts cookies of such names from this host alone, not from others of its domain
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_SSL_REDIRECT = env.bool("SSL_REDIRECT", HTTPS)
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 365 * 24 * 3600 if HTTPS else 0)
# HSTS includes no subdomains and no preload list, as other hosts of the domain may not use HTTPS.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # scripts need neither: forms have the token
CSRF_FAILURE_VIEW = "dashboard.http.kept_forms.old_token"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Limits of a form; dashboard.http.request_limits limits the whole request with its files.

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes of its fields
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 2

# The site.

INSTALLED_APPS = [
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "dashboard",
    "fleets",
    "devices",
    "dashboard.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "pgtrigger",
    "procrastinate.contrib.django",
    "template_partials",
]
MIDDLEWARE = [
    "dashboard.http.middleware.measured",
    "dashboard.http.middleware.room",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "dashboard.http.middleware.headers",
    "dashboard.http.compression.GZip",
    "django.middleware.security.SecurityMiddleware",
    "dashboard.environment.hosts.trusted",
    "dashboard.http.request_limits.refuse",
    "dashboard.http.middleware.StaticFiles",
    "dashboard.http.proxy.coming_from",
    "dashboard.http.rate_limits.notes",
    "dashboard.http.query_timeout.middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.http.middleware.time_zone",
    "allauth.account.middleware.AccountMiddleware",
    "dashboard.account.first_run.middleware",
    "dashboard.http.kept_forms.middleware",
    "dashboard.http.concurrency_limits.Refusals",
]
ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["dashboard.templatetags.isolated"],  # on every page
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context_processors.site",
            ],
        },
    },
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {"environment": "dashboard.jinja.environment"},
    },
]

AUTH_USER_MODEL = "dashboard.User"
AUTHENTICATION_BACKENDS = ["dashboard.account.backend.Backend"]
SESSION_ENGINE = "dashboard.http.session_store"
PASSWORD_HASHERS = ["dashboard.http.password_hashing.Hasher"]
LOGIN_URL = LOGOUT_REDIRECT_URL = "account_login"
LOGIN_REDIRECT_URL = "fleets:list"

# Signing in: dashboard/environment/signing_in.py, and one OpenID Connect provider; without an issuer there
# is none.

OIDC_ISSUER = env.str("OIDC_ISSUER", "", validate=validate.Regexp("" if LOCAL else r"^(https://.+)?$"))
OIDC_NAME = env.str("OIDC_NAME", "single sign-on")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", "") if not OIDC_ISSUER else env.str("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", "") if not OIDC_ISSUER else env.str("OIDC_CLIENT_SECRET")
OIDC_CREATE_ACCOUNTS = env.bool("OIDC_CREATE_ACCOUNTS", False)

# Rate limits count in a table, as processes share nothing but the database.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "dashboard_shared",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # so many that nobody evicts a count by causing others
    }
}

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", "UTC", validate=validate.OneOf(zoneinfo.available_timezones()))

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Names on pages, and the times and limits of devices.

CLOUD_NAME = env.str("CLOUD_NAME", "the cloud")
FLEET_WORD = env.str("FLEET_WORD", "Fleet")
VPN_WORD = env.str("VPN_WORD", "VPN")
SIMPLE_STATUSES = env.bool("SIMPLE_STATUSES", False)
VPN_TUNNELS = env.bool("VPN_TUNNELS", False)  # whether people reach devices through the VPN
POLL_INTERVAL = env.int("POLL_INTERVAL", 900, validate=validate.Range(min=10, max=24 * 3600))  # seconds
HEARTBEAT_GRACE = env.int(
    "HEARTBEAT_GRACE", 15, validate=validate.Range(min=1)
)  # seconds that a heartbeat is late before it is lost
# Devices that may register with one provisioning key: in one hour of the clock, and in total
# (devices.operations.ceilings).
REGISTRATIONS_PER_HOUR = env.int("REGISTRATIONS_PER_HOUR", 20_000, validate=validate.Range(min=1))
REGISTRATIONS_PER_KEY = env.int("REGISTRATIONS_PER_KEY", 500_000, validate=validate.Range(min=1))
HISTORY_DAYS = env.int(
    "HISTORY_DAYS", 90, validate=validate.Range(min=31)
)  # kept at least; whole months are dropped

# Mail, for forgotten passwords and notices. Without EMAIL_HOST none is sent, and pages say what to do
# instead.

EMAIL_HOST = env.str("EMAIL_HOST", "")
EMAIL_PORT = env.int("EMAIL_PORT", 587)
EMAIL_HOST_USER = env.str("EMAIL_USER", "")
EMAIL_HOST_PASSWORD = env.str("EMAIL_PASSWORD", "")
_email_security = env.str("EMAIL_SECURITY", "starttls", validate=validate.OneOf(["starttls", "tls", "none"]))
EMAIL_USE_TLS, EMAIL_USE_SSL = _email_security == "starttls", _email_security == "tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str(
    "EMAIL_FROM", f"Lookout <{EMAIL_HOST_USER or 'lookout@localhost'}>"
)

# Alerts: the address of this site in messages, and where messages may go (devices/alerts/outbound.py).

SITE_ADDRESS = hosts.site_address(
    env.str("SITE_ADDRESS", "http://localhost:8000" if LOCAL else hosts.usual_address(_hosts))
)
TARGETS_PLAIN = env.bool("TARGETS_PLAIN", False)
TARGETS_PRIVATE = hosts.read_networks("TARGETS_PRIVATE", env.list("TARGETS_PRIVATE", []))
WATCHDOG_URL = env.str("WATCHDOG_URL", "", validate=validate.Regexp(r"^(https?://.+)?$"))

# Logs go to standard error, with paths but without query strings, which may have keys in them.

LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {
        "refused": {"()": "dashboard.server.logs.Refused"},
        "no_query": {"()": "dashboard.server.logs.WithoutQuery"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["refused", "no_query"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {
            "handlers": [],
            "propagate": True,
        },  # Django's own handlers would mail and print whole requests
        "django.server": {"handlers": [], "propagate": True},
        "uvicorn.access": {"handlers": [], "propagate": True},
        "procrastinate": {"level": "WARNING"},  # it logs each job, which the site shows on its own pages
    },
}
