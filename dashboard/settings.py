"""Everything the environment decides, read once; a value that does not parse stops the start."""

import os
import zoneinfo
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from environs import Env, validate

from dashboard.environment import database, hosts, required
from dashboard.environment.secrets import kept_secret

env = Env()

BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIRECTORY = env.path("STATE_DIRECTORY", BASE_DIR / "var")
DEBUG = env.bool("DEBUG", False)

# The database. Without DATABASE_URL the site speaks to its own embedded PostgreSQL.

os.environ.update(database.SESSION)  # of every connection of this process
EMBEDDED = not env.str("DATABASE_URL", "")
if EMBEDDED:
    DATABASE_URL = database.url(STATE_DIRECTORY, database.APPLICATION)
    DATABASE_OWNER_URL = database.url(STATE_DIRECTORY, database.OWNER)
else:
    DATABASE_URL = env.str("DATABASE_URL")
    DATABASE_OWNER_URL = env.str("DATABASE_OWNER_URL", DATABASE_URL)
# Past any PgBouncer in transaction mode: for LISTEN and advisory locks.
DATABASE_DIRECT_URL = database.conninfo(env.str("DATABASE_DIRECT_URL", DATABASE_URL))
# "owner" changes the schema; manage.py sets it for `migrate`.
DATABASE_ROLE = env.str("DATABASE_ROLE", "application", validate=validate.OneOf(["application", "owner"]))
# Connections a process keeps at most; 0: a new one for each request.
DATABASE_POOL = env.int("DATABASE_POOL", 20, validate=validate.Range(min=0))

DATABASES: dict[str, dict[str, Any]] = {
    "default": database.django_database(DATABASE_OWNER_URL, pool_size=0)
    if DATABASE_ROLE == "owner"
    else database.django_database(DATABASE_URL, pool_size=DATABASE_POOL)
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Secrets and who may ask. Only a trial on this machine makes up what is missing.

LOCAL = env.bool("LOCAL", EMBEDDED or DEBUG)
if LOCAL:
    SECRET_KEY = env.str("SECRET_KEY", "") or kept_secret(STATE_DIRECTORY / "secret-key")
    # The first pepper signs, all are accepted: prepend a new one to change it.
    KEY_PEPPER = env.list("KEY_PEPPER", []) or [kept_secret(STATE_DIRECTORY / "key-pepper")]
    _hosts = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
else:
    required.require(os.environ)
    SECRET_KEY = env.str("SECRET_KEY")
    KEY_PEPPER = env.list("KEY_PEPPER")
    _hosts = env.list("ALLOWED_HOSTS")
HOSTS = [hosts.apart(host) for host in _hosts]  # with ports, which Django does not look at
ALLOWED_HOSTS = [name for name, _ in HOSTS]
# Former ones, which still read sessions and second factors.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
TRUSTED_PROXIES = hosts.networks(env.list("TRUSTED_PROXIES", []))

# HTTPS: off only for a trial on this machine.

HTTPS = env.bool("HTTPS", not LOCAL)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
if HTTPS:  # a browser takes these from nobody but this host by HTTPS: no neighbour of the domain sets them
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_SSL_REDIRECT = env.bool("SSL_REDIRECT", HTTPS)
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 365 * 24 * 3600 if HTTPS else 0)
# Neither for subdomains nor for the browsers' own lists: the other hosts of the domain are not ours to bind.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # forms carry the token
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

# What a form may carry; a whole request, its files included, is limited in dashboard.http.request_limits.

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
PASSWORD_HASHERS = ["dashboard.http.password_hashing.Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": 10}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
LOGIN_URL = LOGOUT_REDIRECT_URL = "account_login"
LOGIN_REDIRECT_URL = "fleets:list"

# Signing in (dashboard.account).

ACCOUNT_ADAPTER = "dashboard.account.adapter.Adapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # nobody signs up; what proves an address is dashboard.account's
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # no mail to addresses that strangers type
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
PASSWORD_RESET_TIMEOUT = 3600  # seconds
# Django's own: a link is good while the account's address is the one it was sent to. allauth's would write
# that address into a table of its own, by which a former address signs in and resets the password.
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105 - a class
ACCOUNT_FORMS = {"reset_password_from_key": "dashboard.account.forms.ResetPasswordKeyForm"}
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_RATE_LIMITS = {
    # Wrong passwords and codes: of an account, and from an address (dashboard.account.tries).
    "login_failed": "5/5m/key",
    "login_failed_from": "30/5m/ip",
    "login": "60/m/ip",
    "reauthenticate": "10/5m/user",
    "change_password": "10/5m/user",
    "manage_email": "5/5m/user",
    "invite": "30/h/user",  # by e-mail
}
MFA_ADAPTER = "dashboard.account.factors.Factors"
MFA_FORMS = {
    "authenticate": "dashboard.account.forms.AuthenticateForm",
    "reauthenticate": "dashboard.account.forms.ReauthenticateForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1  # a step of 30 s before and after: clocks differ, and typing takes time
MFA_RATE_LIMITS = {"webauthn_login": "60/m/ip"}
SOCIALACCOUNT_ADAPTER = "dashboard.account.openid.Connections"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # more is asked: dashboard.account.openid
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True}}
# One OpenID Connect provider; without an issuer there is none.
OIDC_ISSUER = env.str("OIDC_ISSUER", "", validate=validate.Regexp("" if LOCAL else r"^(https://.+)?$"))
OIDC_NAME = env.str("OIDC_NAME", "single sign-on")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", "") if not OIDC_ISSUER else env.str("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", "") if not OIDC_ISSUER else env.str("OIDC_CLIENT_SECRET")
OIDC_CREATE_ACCOUNTS = env.bool("OIDC_CREATE_ACCOUNTS", False)
# Counts and marks that all processes share, where the database is all that they share.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "dashboard_shared",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # so that nobody pushes a count out by making others
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

# What devices and pages go by.

CLOUD_NAME = env.str("CLOUD_NAME", "the cloud")
FLEET_WORD = env.str("FLEET_WORD", "Fleet")
VPN_WORD = env.str("VPN_WORD", "VPN")
SIMPLE_STATUSES = env.bool("SIMPLE_STATUSES", False)
POLL_INTERVAL = env.int("POLL_INTERVAL", 900, validate=validate.Range(min=10, max=24 * 3600))  # seconds
HEARTBEAT_GRACE = env.int("HEARTBEAT_GRACE", 15, validate=validate.Range(min=1))  # seconds: the late period
# Devices that may register with one key, in an hour of the clock and in all (devices.operations.ceilings).
REGISTRATIONS_PER_HOUR = env.int("REGISTRATIONS_PER_HOUR", 20_000, validate=validate.Range(min=1))
REGISTRATIONS_PER_KEY = env.int("REGISTRATIONS_PER_KEY", 500_000, validate=validate.Range(min=1))
HISTORY_DAYS = env.int("HISTORY_DAYS", 90, validate=validate.Range(min=31))  # kept at least, in whole months

# Mail: for forgotten passwords and notices; empty EMAIL_HOST: none is sent, and pages say what to do.

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

# Logs go to standard error and carry paths, never query strings: those may hold keys.

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
        "procrastinate": {"level": "WARNING"},  # says each job, which the site shows itself
    },
}
