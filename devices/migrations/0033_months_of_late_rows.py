"""A month is made also where the default partition holds rows of it already: it takes them over.

So it is after the site stood still for longer than months are made ahead, or after its clock was: so far
making the month failed, each day anew.
"""

from importlib import import_module

from django.db import migrations

AHEAD = """
CREATE OR REPLACE FUNCTION devices_history_ahead(today timestamptz, months int) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    history text;
    month timestamp;
    part text;
    first timestamptz;
    past timestamptz;
BEGIN
    FOREACH history IN ARRAY ARRAY['devices_connectivityrecord', 'devices_statuschange'] LOOP
        FOR ahead IN 0..months LOOP
            month := date_trunc('month', today AT TIME ZONE 'UTC') + ahead * interval '1 month';
            part := history || to_char(month, '_YYYY_MM');
            CONTINUE WHEN to_regclass(part) IS NOT NULL;
            first := month AT TIME ZONE 'UTC';
            past := (month + interval '1 month') AT TIME ZONE 'UTC';
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING INDEXES)', part, history);
            -- Nobody adds a row of this month to the default partition before the month is attached.
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', history || '_default');
            EXECUTE format(
                'WITH taken AS (DELETE FROM %I WHERE at >= %L AND at < %L RETURNING *)
                 INSERT INTO %I SELECT * FROM taken', history || '_default', first, past, part
            );
            EXECUTE format(
                'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', history, part, first, past
            );
            RETURN NEXT part;
        END LOOP;
    END LOOP;
END $$;
"""
BEFORE = import_module("devices.migrations.0012_retention").AHEAD.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0032_clock_steps"),
    ]

    operations = [
        migrations.RunSQL(AHEAD, BEFORE),
    ]
