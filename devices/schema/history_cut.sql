-- Drops what both histories hold before the cut, between two months; gives the names of the partitions that
-- went. What was true at the cut is kept in a partition of its own, which reaches back for ever. All of it is
-- gathered before, so that readers wait only while partitions change places.

CREATE FUNCTION devices_history_cut(cut timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    -- The order of the two matters: the links of a device are kept where its status is.
    histories text[] := ARRAY['devices_statuschange', 'devices_connectivityrecord'];
    history text;
    per text;
    still text;
    part text;
BEGIN
    IF cut <> date_trunc('month', cut AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' THEN
        RAISE EXCEPTION 'a history is cut between two months, not at %', cut;
    END IF;
    FOREACH history IN ARRAY histories LOOP
        per := CASE history WHEN 'devices_statuschange' THEN 'device_id' ELSE 'device_id, link' END;
        still := CASE history WHEN 'devices_statuschange' THEN 'newest.after IS NOT NULL'
            ELSE 'EXISTS (SELECT FROM devices_statuschange_fresh fresh WHERE fresh.device_id = newest.device_id)'
            END;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING INDEXES)', history || '_fresh', history);
        EXECUTE format(
            'INSERT INTO %I SELECT * FROM (SELECT DISTINCT ON (%s) * FROM %I WHERE at < %L
             ORDER BY %s, at DESC, id DESC) AS newest WHERE %s',
            history || '_fresh', per, history, cut, per, still
        );
        -- Proves that all of it is older, so that it need not be read again where it is put in place.
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT older CHECK (at < %L)', history || '_fresh', cut);
        EXECUTE format('ANALYZE %I', history || '_fresh');
    END LOOP;
    FOREACH history IN ARRAY histories LOOP
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
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT older', history || '_kept');
    END LOOP;
END $$;
