#!/bin/sh
# Run once by the image of PostgreSQL, in an empty database server: Lookout's roles, their passwords, the database.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -d postgres -f /roles.sql \
    -c "CREATE DATABASE lookout OWNER lookout_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
psql -v ON_ERROR_STOP=1 -U postgres -d lookout -f /roles.sql \
    -v lookout="$(cat /run/secrets/lookout-password)" -v owner="$(cat /run/secrets/owner-password)" -f - <<'SQL'
ALTER ROLE lookout PASSWORD :'lookout';
ALTER ROLE lookout_owner PASSWORD :'owner';
SQL
