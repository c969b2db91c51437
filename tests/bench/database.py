"""The benchmark's own database, on the server that the site uses."""

import os

import psycopg
from psycopg.conninfo import make_conninfo

from dashboard.environment import database
from tests.bench.options import Options


def choose(options: Options) -> None:
    """Let this process, and those that it starts, use the database of the benchmark."""
    os.environ.setdefault("LOCAL", "1")
    application = os.environ.get("DATABASE_URL")
    if application:
        owner = os.environ.get("DATABASE_OWNER_URL", application)
    else:
        application = database.url(options.state, database.APPLICATION)
        owner = database.url(options.state, database.OWNER)
    create(owner, options.database)
    os.environ["DATABASE_URL"] = make_conninfo(application, dbname=options.database)
    os.environ["DATABASE_OWNER_URL"] = make_conninfo(owner, dbname=options.database)
    os.environ.pop("DATABASE_DIRECT_URL", None)
    os.environ["DATABASE_ROLE"] = "owner"
    os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"


def create(owner: str, name: str) -> None:
    """Create the database unless it exists; `owner` is an address of the owner role for any database."""
    with psycopg.connect(owner, autocommit=True) as server:
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            server.execute(f'CREATE DATABASE "{name}"')
