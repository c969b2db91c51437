-- After a device came, or what is searched of it changed: its words, tags, type and versions in a row of their
-- own. A word is a piece of the name, notes, tags and addresses, in lower case, letters that differ by language
-- as one. The UUID is a lexeme of its own kind. DEVICES stands for the rows, in the trigger the new one;
-- WORDS_OF for the SQL that fleets/postgres/text_search.py makes of a text.

INSERT INTO devices_description
    (device_id, organization_id, recorded_words, recorded_tags, recorded_type, recorded_os_version,
     recorded_release)
SELECT d.id, d.organization_id,
       WORDS_OF(concat_ws(' ', d.name, d.notes, d.tags, array_to_string(d.ip_addresses, ' '), host(d.public_address)))
           || array_to_tsvector(ARRAY['uuid:' || d.uuid]),
       d.tags, d.device_type, d.os_version, d.release
FROM DEVICES d
ON CONFLICT (device_id) DO UPDATE SET
    organization_id = EXCLUDED.organization_id, recorded_words = EXCLUDED.recorded_words,
    recorded_tags = EXCLUDED.recorded_tags, recorded_type = EXCLUDED.recorded_type,
    recorded_os_version = EXCLUDED.recorded_os_version, recorded_release = EXCLUDED.recorded_release
