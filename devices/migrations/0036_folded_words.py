"""Words of devices are folded, so that each is found by its own name in whatever script."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0035_names_in_order"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="device",
            name="described_new",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="device",
            name="described_again",
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="device",
            trigger=pgtrigger.compiler.Trigger(
                name="described_new",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        \nINSERT INTO devices_description\n    (device_id, organization_id, recorded_words, recorded_tags, recorded_type, recorded_os_version,\n     recorded_release)\nSELECT d.id, d.organization_id,\n       to_tsvector('simple'::regconfig, regexp_replace(replace(translate(lower(translate(normalize(left(concat_ws(' ', d.name, d.notes, d.tags, array_to_string(d.ip_addresses, ' '), host(d.public_address)), 100000), NFC), U&'\\0130', 'I')), U&'\\0131\\03c2\\0307', U&'i\\03c3'), U&'\\00df', 'ss'), '[\\u0001-/:-@\\[-`{-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+', ' ', 'g')) || array_to_tsvector(ARRAY['uuid:' || d.uuid]),\n       d.tags, d.device_type, d.os_version, d.release\nFROM (SELECT NEW.*) d\nON CONFLICT (device_id) DO UPDATE SET\n    organization_id = EXCLUDED.organization_id, recorded_words = EXCLUDED.recorded_words,\n    recorded_tags = EXCLUDED.recorded_tags, recorded_type = EXCLUDED.recorded_type,\n    recorded_os_version = EXCLUDED.recorded_os_version, recorded_release = EXCLUDED.recorded_release\n;\n        RETURN NULL;\n",
                    hash="55932756485235cab544afdeb15c5a0855207b04",
                    operation="INSERT",
                    pgid="pgtrigger_described_new_b7e13",
                    table="devices_device",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="device",
            trigger=pgtrigger.compiler.Trigger(
                name="described_again",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."device_type" IS DISTINCT FROM (NEW."device_type") OR OLD."fleet_id" IS DISTINCT FROM (NEW."fleet_id") OR OLD."ip_addresses" IS DISTINCT FROM (NEW."ip_addresses") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."notes" IS DISTINCT FROM (NEW."notes") OR OLD."os_version" IS DISTINCT FROM (NEW."os_version") OR OLD."public_address" IS DISTINCT FROM (NEW."public_address") OR OLD."release" IS DISTINCT FROM (NEW."release") OR OLD."tags" IS DISTINCT FROM (NEW."tags") OR OLD."uuid" IS DISTINCT FROM (NEW."uuid"))',
                    func="\n        \nINSERT INTO devices_description\n    (device_id, organization_id, recorded_words, recorded_tags, recorded_type, recorded_os_version,\n     recorded_release)\nSELECT d.id, d.organization_id,\n       to_tsvector('simple'::regconfig, regexp_replace(replace(translate(lower(translate(normalize(left(concat_ws(' ', d.name, d.notes, d.tags, array_to_string(d.ip_addresses, ' '), host(d.public_address)), 100000), NFC), U&'\\0130', 'I')), U&'\\0131\\03c2\\0307', U&'i\\03c3'), U&'\\00df', 'ss'), '[\\u0001-/:-@\\[-`{-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+', ' ', 'g')) || array_to_tsvector(ARRAY['uuid:' || d.uuid]),\n       d.tags, d.device_type, d.os_version, d.release\nFROM (SELECT NEW.*) d\nON CONFLICT (device_id) DO UPDATE SET\n    organization_id = EXCLUDED.organization_id, recorded_words = EXCLUDED.recorded_words,\n    recorded_tags = EXCLUDED.recorded_tags, recorded_type = EXCLUDED.recorded_type,\n    recorded_os_version = EXCLUDED.recorded_os_version, recorded_release = EXCLUDED.recorded_release\n;\n        RETURN NULL;\n",
                    hash="76664d53e92c126dcf2c362e85afe37859eb0b23",
                    operation='UPDATE OF "fleet_id", "uuid", "name", "notes", "tags", "ip_addresses", "public_address", "device_type", "os_version", "release"',
                    pgid="pgtrigger_described_again_89ed1",
                    table="devices_device",
                    when="AFTER",
                ),
            ),
        ),
    ]
