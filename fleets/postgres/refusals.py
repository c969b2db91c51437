"""Why a database server turned us away, and what somebody has to do: a sentence for each."""

from __future__ import annotations

import re
from typing import Final

from fleets.postgres.availability import sqlstate

READ_ONLY: Final = (
    "The database server accepts no writes: it is a standby, or set to read-only. Name the primary in"
    " DATABASE_URL, or all servers and target_session_attrs=read-write."
)
NO_ROLE: Final = (
    "The database server has no such role. Run dashboard/roles.sql on it as its superuser, or correct the"
    " user in DATABASE_URL or DATABASE_OWNER_URL."
)
NOT_KNOWN: Final = (
    "The database server does not accept this user's password. Set it by \\password in psql, or correct the"
    " one in DATABASE_URL or DATABASE_OWNER_URL."
)
NO_DATABASE: Final = (
    "The database server has no such database. Create it as docs/deployment.md says, or correct the name at"
    " the end of DATABASE_URL."
)
NO_ACCESS: Final = (
    "The database server lets no such connection in. Add a line for this user, database and address to its"
    " pg_hba.conf."
)
NO_RIGHT: Final = (
    "The role may not do this in the database. Run dashboard/roles.sql in it as a superuser, and migrate as"
    " the owner."
)
# By what libpq says before there is a session, and so without an SQLSTATE.
SAID: Final = {
    r"session is read-only|hot standby": READ_ONLY,
    r'role ".*" does not exist': NO_ROLE,
    r"password authentication failed|no password supplied": NOT_KNOWN,
    r'database ".*" does not exist': NO_DATABASE,
    r"no pg_hba.conf entry|authentication failed": NO_ACCESS,
}
BY_STATE: Final = {"25006": READ_ONLY, "42501": NO_RIGHT}


def refusal(error: BaseException) -> str:
    """The sentence for an error of Django or psycopg; empty where the server is just away."""
    if known := BY_STATE.get(sqlstate(error)):
        return known
    return next((why for said, why in SAID.items() if re.search(said, str(error))), "")
