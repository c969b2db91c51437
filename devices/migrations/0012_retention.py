"""How months of the histories are made ahead and dropped: by two functions, so that the application's role,
which does it daily, needs no right to change the schema."""

from django.db import migrations

AHEAD = """
CREATE FUNCTION devices_history_ahead(today timestamptz, months int) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    history text;
    month timestamp;
BEGIN
    FOREACH history IN ARRAY ARRAY['devices_connectivityrecord', 'devices_statuschange'] LOOP
        FOR ahead IN 0..months LOOP
            month := date_trunc('month', today AT TIME ZONE 'UTC') + ahead * interval '1 month';
            CONTINUE WHEN to_regclass(history || to_char(month, '_YYYY_MM')) IS NOT NULL;
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                history || to_char(month, '_YYYY_MM'), history,
                to_char(month, 'YYYY-MM-DD 00:00:00+00'),
                to_char(month + interval '1 month', 'YYYY-MM-DD 00:00:00+00')
            );
            RETURN NEXT history || to_char(month, '_YYYY_MM');
        END LOOP;
    END LOOP;
END $$;
"""

# What was true at the cut is kept in a partition of its own, which reaches back for ever; built aside, so
# that the histories are locked only while partitions change places.
CUT = """
CREATE FUNCTION devices_history_cut(cut timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    history text;
    per text;
    still text;
    part text;
BEGIN
    IF cut <> date_trunc('month', cut AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' THEN
        RAISE EXCEPTION 'a history is cut between two months, not at %', cut;
    END IF;
    FOREACH history IN ARRAY ARRAY['devices_statuschange', 'devices_connectivityrecord'] LOOP
        -- The order of the two matters: the links of a device are kept where its status is.
        per := CASE history WHEN 'devices_statuschange' THEN 'device_id' ELSE 'device_id, link' END;
        still := CASE history WHEN 'devices_statuschange' THEN 'newest.after IS NOT NULL'
            ELSE 'EXISTS (SELECT FROM devices_statuschange_kept kept WHERE kept.device_id = newest.device_id)'
            END;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING INDEXES)', history || '_fresh', history);
        EXECUTE format(
            'INSERT INTO %I SELECT * FROM (SELECT DISTINCT ON (%s) * FROM %I WHERE at < %L
             ORDER BY %s, at DESC, id DESC) AS newest WHERE %s',
            history || '_fresh', per, history, cut, per, still
        );
        FOR part IN
            SELECT child.relname FROM pg_inherits
            JOIN pg_class child ON child.oid = inhrelid
            WHERE inhparent = history::regclass AND child.relname ~ '_[0-9]{4}_[0-9]{2}$'
              AND to_date(right(child.relname, 7), 'YYYY_MM') + interval '1 month' <= cut AT TIME ZONE 'UTC'
            ORDER BY child.relname
        LOOP
            EXECUTE format('DROP TABLE %I', part);
            RETURN NEXT part;
        END LOOP;
        EXECUTE format('DROP TABLE IF EXISTS %I', history || '_kept');
        EXECUTE format('DELETE FROM %I WHERE at < %L', history || '_default', cut);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', history || '_fresh', history || '_kept');
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)',
            history, history || '_kept', cut
        );
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0011_listening_ledger"),
    ]

    operations = [
        migrations.RunSQL(AHEAD, "DROP FUNCTION devices_history_ahead"),
        migrations.RunSQL(CUT, "DROP FUNCTION devices_history_cut"),
    ]
