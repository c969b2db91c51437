"""Django's `changepassword`, which also accepts an e-mail address or another spelling of the user name."""

from typing import Any

from django.contrib.auth.management.commands import changepassword

from dashboard.account import people


class Command(changepassword.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        user = people.named(options["username"] or "")
        if user is not None:
            options["username"] = user.username
        return super().handle(*args, **options)
