"""The environment decides; what it says wrongly stops the start and is named."""

import os
import re
import runpy
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from django.core.exceptions import ImproperlyConfigured
from environs import EnvError
from psycopg.conninfo import conninfo_to_dict

from dashboard.environment.database import django_database

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCTION = {
    "DATABASE_URL": "postgresql://lookout:hidden@db.example:6432/fleet?sslmode=require",
    "SECRET_KEY": "secret-for-a-test-" * 4,
    "KEY_PEPPER": "newer-pepper-for-a-test-0123456789,older-pepper-for-a-test-0123456789",
    "ALLOWED_HOSTS": "lookout.example",
}
# What libpq does not set itself: in seconds, tcp_user_timeout in milliseconds.
LIMITS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10000,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def read(state: Path, **environment: str) -> SimpleNamespace:
    """The settings of a process with this environment."""
    own = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(state), **environment}
    with patch.dict(os.environ, own, clear=True):
        return SimpleNamespace(**runpy.run_path(str(ROOT / "dashboard" / "settings.py")))


def refused(state: Path, **environment: str) -> str:
    """What stops the start, in one line."""
    with pytest.raises((EnvError, ImproperlyConfigured, SystemExit)) as stopped:
        read(state, **environment)
    said = str(stopped.value)
    assert "\n" not in said
    return said


def python(state: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(state), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLL_INTERVAL", "soon"),
        ("POLL_INTERVAL", "9"),
        ("POLL_INTERVAL", "86401"),
        ("HEARTBEAT_GRACE", "0"),
        ("REGISTRATIONS_PER_HOUR", "0"),
        ("REGISTRATIONS_PER_KEY", "none"),
        ("DEBUG", "perhaps"),
        ("SIMPLE_STATUSES", "six"),
        ("TIME_ZONE", "Europe/Atlantis"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.1/8"),
        ("DATABASE_ROLE", "postgres"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_value_stops_the_start(tmp_path: Path, name: str, value: str) -> None:
    assert name in refused(tmp_path, **{name: value})


def test_what_stops_the_start_is_the_last_line_that_is_said(tmp_path: Path) -> None:
    done = python(tmp_path, "-c", "import dashboard.settings", POLL_INTERVAL="soon")
    assert done.returncode == 1
    assert "POLL_INTERVAL" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["SECRET_KEY", "KEY_PEPPER", "ALLOWED_HOSTS"])
@pytest.mark.parametrize("missing", [True, False])
def test_a_server_of_ones_own_guesses_nothing(tmp_path: Path, name: str, *, missing: bool) -> None:
    environment = PRODUCTION | {name: ""}
    if missing:
        del environment[name]
    with pytest.raises(SystemExit, match=f"  {name} is missing: "):  # which shows no traceback
        read(tmp_path, **environment)
    assert list(tmp_path.iterdir()) == []


def test_all_that_is_missing_is_named_at_once_with_how_to_make_it(tmp_path: Path) -> None:
    url = PRODUCTION["DATABASE_URL"]
    done = python(tmp_path, "-c", "import dashboard.settings", DATABASE_URL=url, SECRET_KEY="short")
    assert done.returncode == 1
    assert "SECRET_KEY has 5 characters" in done.stderr
    assert "KEY_PEPPER is missing" in done.stderr
    assert "ALLOWED_HOSTS is missing" in done.stderr
    commands = re.findall(r"^ +(python3 .*)$", done.stderr, re.MULTILINE)
    made = [subprocess.check_output(each, shell=True, text=True).strip() for each in commands]  # noqa: S602
    assert len(set(made)) == 2
    assert all(len(secret) >= 50 for secret in made)
    assert "LOCAL=1" in done.stderr.splitlines()[-1]


def test_an_unreadable_database_url_is_not_quoted(tmp_path: Path) -> None:
    address = "postgresql://lookout:hidden@db.example:port/fleet?nonsense=1"
    done = python(tmp_path, "-c", "import dashboard.settings", **PRODUCTION | {"DATABASE_URL": address})
    assert done.returncode == 1
    assert "postgresql://USER:PASSWORD@HOST:PORT/NAME" in done.stderr.splitlines()[-1]
    assert "hidden" not in done.stderr  # nor in what leads to it


def test_production_is_read_whole_and_checked_clean(tmp_path: Path) -> None:
    production = read(tmp_path, **PRODUCTION, DATABASE_POOL="0")
    parts = [production.DATABASES["default"][part] for part in ("NAME", "USER", "PASSWORD", "HOST", "PORT")]
    assert parts == ["fleet", "lookout", "hidden", "db.example", "6432"]
    assert production.DATABASES["default"]["OPTIONS"] == LIMITS | {"sslmode": "require"}
    assert production.HTTPS
    assert production.SESSION_COOKIE_SECURE
    assert production.SECURE_SSL_REDIRECT
    check = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    done = python(tmp_path, *check, **PRODUCTION)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["SESSION", "CSRF"])
def test_with_https_no_other_host_of_the_domain_can_set_our_cookies(tmp_path: Path, kind: str) -> None:
    # What __Host- asks for, else a browser drops the cookie: Secure, the whole host, and no domain.
    names = ", ".join(f"s.{kind}_COOKIE_{part}" for part in ("NAME", "SECURE", "PATH", "DOMAIN"))
    code = f"from django.conf import settings as s; print({names})"
    named = {"SESSION": "__Host-sessionid", "CSRF": "__Host-csrftoken"}[kind]
    as_set = {"DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    assert python(tmp_path, "-c", code, **as_set, **PRODUCTION).stdout == f"{named} True / None\n"
    plain = python(tmp_path, "-c", code, **as_set, **PRODUCTION, HTTPS="0").stdout
    assert plain == f"{named.removeprefix('__Host-')} False / None\n"


@pytest.mark.parametrize("role", ["application", "owner"])
def test_every_connection_notices_a_database_that_is_gone_unless_its_url_says_otherwise(
    tmp_path: Path, role: str
) -> None:
    several = "postgresql://lookout:hidden@db-1:5432,db-2:6432/fleet"
    environment = PRODUCTION | {
        "DATABASE_ROLE": role,
        "DATABASE_URL": f"{several}?target_session_attrs=read-write&connect_timeout=2&keepalives_idle=60",
    }
    wanted = LIMITS | {"connect_timeout": "2", "keepalives_idle": "60", "target_session_attrs": "read-write"}
    django = read(tmp_path, **environment).DATABASES["default"]
    assert (django["HOST"], django["PORT"]) == ("db-1,db-2", "5432,6432")
    assert {key: value for key, value in django["OPTIONS"].items() if key != "pool"} == wanted
    for address, limits in ((environment["DATABASE_URL"], wanted), (several, LIMITS)):
        direct = read(tmp_path, **environment | {"DATABASE_DIRECT_URL": address}).DATABASE_DIRECT_URL
        parts = {key: str(value) for key, value in conninfo_to_dict(direct).items()}
        assert parts == {key: str(value) for key, value in limits.items()} | {
            "user": "lookout",
            "password": "hidden",
            "dbname": "fleet",
            "host": "db-1,db-2",
            "port": "5432,6432",
        }


@pytest.mark.parametrize(
    ("hosts", "timeout", "seconds"),
    [("db-1", "", 5), ("db-1,db-2", "", 10), ("db-1,db-2,db-3", "?connect_timeout=2", 9)],
)
def test_who_needs_a_connection_waits_until_the_last_host_was_asked_though_all_before_it_are_gone(
    hosts: str, timeout: str, seconds: float
) -> None:
    settings = django_database(f"postgresql://lookout@{hosts}/fleet{timeout}", pool_size=20)
    assert settings["OPTIONS"]["pool"]["timeout"] == seconds


def test_migrations_run_as_the_owner(tmp_path: Path) -> None:
    def role(**environment: str) -> object:
        return read(tmp_path, **environment).DATABASES["default"]["USER"]

    assert role() == "lookout"
    assert role(DATABASE_ROLE="owner") == "lookout_owner"
    owner = {"DATABASE_OWNER_URL": "postgresql://owner@db.example/fleet", "DATABASE_ROLE": "owner"}
    assert role(**PRODUCTION | owner) == "owner"
    assert role(**PRODUCTION | {"DATABASE_ROLE": "owner"}) == "lookout"


def test_a_trial_keeps_secrets_of_its_own(tmp_path: Path) -> None:
    first, second = read(tmp_path), read(tmp_path)
    assert (first.SECRET_KEY, first.KEY_PEPPER) == (second.SECRET_KEY, second.KEY_PEPPER)
    kept = [tmp_path / "secret-key", tmp_path / "key-pepper"]
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert [stat.S_IMODE(path.stat().st_mode) for path in kept] == [0o600, 0o600]
    assert len({path.read_text() for path in kept}) == 2


def test_a_host_may_be_named_with_its_port(tmp_path: Path) -> None:
    environment = PRODUCTION | {"ALLOWED_HOSTS": "lookout.example:8443,[::1]"}
    hosts = [("lookout.example", "8443"), ("[::1]", "")]
    settings = read(tmp_path, **environment)
    assert hosts == settings.HOSTS
    assert [name for name, _ in hosts] == settings.ALLOWED_HOSTS


@pytest.mark.parametrize(
    ("given", "prepared"),
    [
        ({}, True),
        ({"DATABASE_DIRECT_URL": PRODUCTION["DATABASE_URL"]}, True),
        ({"DATABASE_DIRECT_URL": "postgresql://lookout:hidden@db-2/fleet"}, False),
        ({"DATABASE_POOL": "0"}, False),
    ],
    ids=["none between", "none between, said", "a PgBouncer", "no connection lasts"],
)
def test_statements_are_prepared_where_connections_last_and_none_is_between(
    tmp_path: Path, given: dict[str, str], *, prepared: bool
) -> None:
    assert read(tmp_path, **PRODUCTION | given).PREPARED_STATEMENTS is prepared
