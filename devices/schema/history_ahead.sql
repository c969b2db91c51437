-- Makes the partitions of both histories for this month and as many ahead; gives the names of those it made.
-- A month whose rows the default partition has caught takes them over. A function of the owner's, so that the
-- application's role, which calls it daily, needs no right to change the schema.

CREATE FUNCTION devices_history_ahead(today timestamptz, months int) RETURNS SETOF text
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
