-- After a device came, or what is searched of it changed: its words, tags, type and versions in a row of their
-- own. A word is a piece of the name, notes, tags and addresses, in lower case, letters that differ by language
-- as one. The UUID is a lexeme of its own kind.

INSERT INTO devices_description
    (device_id, organization_id, recorded_words, recorded_tags, recorded_type, recorded_os_version,
     recorded_release)
SELECT d.id, d.organization_id,
       to_tsvector('simple'::regconfig, regexp_replace(replace(translate(lower(translate(normalize(left(concat_ws(' ', d.name, d.notes, d.tags, array_to_string(d.ip_addresses, ' '), host(d.public_address)), 100000), NFC), U&'\0130', 'I')), U&'\0131\03c2\0307', U&'i\03c3'), U&'\00df', 'ss'), '[\u0001-/:-@\[-`{-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+', ' ', 'g')) || array_to_tsvector(ARRAY['uuid:' || d.uuid]),
       d.tags, d.device_type, d.os_version, d.release
FROM (SELECT NEW.*) d
ON CONFLICT (device_id) DO UPDATE SET
    organization_id = EXCLUDED.organization_id, recorded_words = EXCLUDED.recorded_words,
    recorded_tags = EXCLUDED.recorded_tags, recorded_type = EXCLUDED.recorded_type,
    recorded_os_version = EXCLUDED.recorded_os_version, recorded_release = EXCLUDED.recorded_release
