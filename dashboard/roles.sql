-- The two roles of a Lookout database, for any PostgreSQL; run as superuser in template1, or in Lookout's own database.
-- lookout_owner changes the schema (migrations; CREATEDB for the tests), lookout reads and writes rows, nothing else.
-- Safe to run again. On a server that others reach, give both a password (\password lookout).

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lookout_owner') THEN
        CREATE ROLE lookout_owner LOGIN NOSUPERUSER CREATEDB NOCREATEROLE;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lookout') THEN
        CREATE ROLE lookout LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
END
$$;

-- The only style in which intervals can be read. Dates and time zones are chosen for each connection.
ALTER ROLE lookout_owner SET IntervalStyle = 'postgres';
ALTER ROLE lookout SET IntervalStyle = 'postgres';

ALTER DEFAULT PRIVILEGES FOR ROLE lookout_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO lookout;
ALTER DEFAULT PRIVILEGES FOR ROLE lookout_owner GRANT USAGE, SELECT ON SEQUENCES TO lookout;
