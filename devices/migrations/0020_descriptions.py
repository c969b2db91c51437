"""What is searched of a device, beside its row."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from devices.schema.search_document import describe


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0019_last_contacts"),
        ("fleets", "0003_audit_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Description",
            fields=[
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="description",
                        serialize=False,
                        to="devices.device",
                    ),
                ),
                ("recorded_words", django.contrib.postgres.search.SearchVectorField()),
                ("recorded_tags", models.JSONField(default=dict)),
                ("recorded_type", models.CharField(blank=True, max_length=255)),
                ("recorded_os_version", models.CharField(blank=True, max_length=255)),
                ("recorded_release", models.CharField(blank=True, max_length=255)),
            ],
        ),
        migrations.AddField(
            model_name="description",
            name="organization",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, to="fleets.organization"
            ),
        ),
        migrations.AddIndex(
            model_name="description",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["recorded_words"], name="description_words"
            ),
        ),
        migrations.AddIndex(
            model_name="description",
            index=django.contrib.postgres.indexes.GinIndex(fields=["recorded_tags"], name="description_tags"),
        ),
        migrations.AddIndex(
            model_name="description",
            index=models.Index(fields=["organization", "recorded_type"], name="description_type"),
        ),
        migrations.AddIndex(
            model_name="description",
            index=models.Index(fields=["organization", "recorded_os_version"], name="description_os_version"),
        ),
        migrations.AddIndex(
            model_name="description",
            index=models.Index(fields=["organization", "recorded_release"], name="description_release"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="device",
            trigger=pgtrigger.compiler.Trigger(
                name="described_new",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        \nINSERT INTO devices_description\n    (device_id, organization_id, recorded_words, recorded_tags, recorded_type, recorded_os_version,\n     recorded_release)\nSELECT d.id, d.organization_id,\n       to_tsvector('simple'::regconfig, regexp_replace(\n           left(concat_ws(' ', d.name, d.notes, d.tags, array_to_string(d.ip_addresses, ' '),\n                          host(d.public_address)), 100000),\n           '[!-/:-@\\[-`{-~[:space:]]+', ' ', 'g')) || array_to_tsvector(ARRAY['uuid:' || d.uuid]),\n       d.tags, d.device_type, d.os_version, d.release\nFROM (SELECT NEW.*) d\nON CONFLICT (device_id) DO UPDATE SET\n    organization_id = EXCLUDED.organization_id, recorded_words = EXCLUDED.recorded_words,\n    recorded_tags = EXCLUDED.recorded_tags, recorded_type = EXCLUDED.recorded_type,\n    recorded_os_version = EXCLUDED.recorded_os_version, recorded_release = EXCLUDED.recorded_release\n;\n        RETURN NULL;\n",
                    hash="b4c488913963d4d8018d29cb1c8a462c19f8a11e",
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
                    func="\n        \nINSERT INTO devices_description\n    (device_id, organization_id, recorded_words, recorded_tags, recorded_type, recorded_os_version,\n     recorded_release)\nSELECT d.id, d.organization_id,\n       to_tsvector('simple'::regconfig, regexp_replace(\n           left(concat_ws(' ', d.name, d.notes, d.tags, array_to_string(d.ip_addresses, ' '),\n                          host(d.public_address)), 100000),\n           '[!-/:-@\\[-`{-~[:space:]]+', ' ', 'g')) || array_to_tsvector(ARRAY['uuid:' || d.uuid]),\n       d.tags, d.device_type, d.os_version, d.release\nFROM (SELECT NEW.*) d\nON CONFLICT (device_id) DO UPDATE SET\n    organization_id = EXCLUDED.organization_id, recorded_words = EXCLUDED.recorded_words,\n    recorded_tags = EXCLUDED.recorded_tags, recorded_type = EXCLUDED.recorded_type,\n    recorded_os_version = EXCLUDED.recorded_os_version, recorded_release = EXCLUDED.recorded_release\n;\n        RETURN NULL;\n",
                    hash="6da5b32d612fbbe5abb8d1547db8e5138e143c32",
                    operation='UPDATE OF "fleet_id", "uuid", "name", "notes", "tags", "ip_addresses", "public_address", "device_type", "os_version", "release"',
                    pgid="pgtrigger_described_again_89ed1",
                    table="devices_device",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="device",
            trigger=pgtrigger.compiler.Trigger(
                name="described_no_more",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        DELETE FROM devices_description d USING old_rows WHERE d.device_id = old_rows.id;\n        RETURN NULL;\n    ",
                    hash="e0e415e16af1f6308995cc629aee36f99ed639a5",
                    level="STATEMENT",
                    operation="DELETE",
                    pgid="pgtrigger_described_no_more_7985e",
                    referencing="REFERENCING OLD TABLE AS old_rows ",
                    table="devices_device",
                    when="AFTER",
                ),
            ),
        ),
        migrations.RunSQL(describe("devices_device"), migrations.RunSQL.noop),
    ]
