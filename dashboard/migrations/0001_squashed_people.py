"""The people who sign in, and the counts that processes share.

Takes the place of 0001 to 0007 of the time before the first release, together with 0002_squashed_unused_tables.
"""

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Collate, Lower
from django.utils import timezone


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("dashboard", "0002_proven_email_and_shared_counts"),
        ("dashboard", "0003_email_in_lower_case"),
        ("dashboard", "0004_list_columns"),
        ("dashboard", "0006_canonical_user_names"),
    ]
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("password", models.CharField("password", max_length=128)),
                ("last_login", models.DateTimeField("last login", blank=True, null=True)),
                (
                    "is_superuser",
                    models.BooleanField(
                        "superuser status",
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        "username",
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[UnicodeUsernameValidator()],
                    ),
                ),
                ("first_name", models.CharField("first name", blank=True, max_length=150)),
                ("last_name", models.CharField("last name", blank=True, max_length=150)),
                (
                    "is_staff",
                    models.BooleanField(
                        "staff status",
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        "active",
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                    ),
                ),
                ("date_joined", models.DateTimeField("date joined", default=timezone.now)),
                ("canonical_username", models.TextField(editable=False)),
                ("email", models.EmailField("e-mail address", blank=True, max_length=254)),
                ("proven_email", models.EmailField(blank=True, editable=False, max_length=254)),
                (
                    "time_zone",
                    models.CharField(
                        blank=True,
                        help_text="Empty: the browser's, else the site's time zone.",
                        max_length=64,
                    ),
                ),
                ("list_columns", ArrayField(models.CharField(max_length=20), blank=True, default=list)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(username__regex="[^!-~]")
                        | Q(canonical_username=Lower(Collate("username", "C"))),
                        name="user_canonical_username",
                    ),
                    models.UniqueConstraint(Lower("email"), condition=~Q(email=""), name="user_email_unique"),
                    models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower"),
                ],
            },
        ),
        # Apart from the table, so that its constraint is called as in databases that are upgraded.
        migrations.AlterField(
            model_name="user",
            name="canonical_username",
            field=models.TextField(editable=False, unique=True),
        ),
        migrations.CreateModel(
            name="Shared",
            fields=[
                ("cache_key", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("value", models.TextField()),
                ("expires", models.DateTimeField()),
            ],
            options={"indexes": [models.Index(fields=["expires"], name="shared_by_expiry")]},
        ),
    ]
