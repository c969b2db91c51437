"""Finding, creating and editing accounts; people create them at the first run and by an invitation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from dashboard.models import User
from dashboard.user_names import LONGEST, canonical, numbered
from fleets.postgres.unique import unique_violation
from fleets.text import checked

PLAIN: Final = {"class": "form-control", "autocapitalize": "none", "spellcheck": "false"}


def named(login: str) -> User | None:
    """The account with this e-mail address or, if there is none, this user name, in any case and width."""
    login = login.strip()
    form = canonical(login)
    by_email = {user.email: user for user in User.objects.filter(email__in={login.lower(), form} - {""})}
    return (
        by_email.get(login.lower())
        or by_email.get(form)
        or User.objects.filter(canonical_username=form).first()
    )


def proven(addresses: list[str]) -> User | None:
    """The active account that has confirmed one of these e-mail addresses (in lower case); None if none."""
    return User.objects.filter(email__in=addresses, proven_email=F("email"), is_active=True).first()


def hold(user: User) -> User:
    """Lock the account until the end of the transaction, and read it again."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


class Taken(Exception):
    """Another account has this value; `field` is "username" or "email"."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field} is taken")
        self.field = field


@transaction.atomic
def create(*, username: str, email: str, password_hash: str, superuser: bool = False) -> User:
    """Create an account from values that an AccountForm has validated. Raises Taken.

    `password_hash` is from make_password, which takes long and so must be called outside of transactions.
    """
    # Checked first to raise for the right field; in a race the unique indexes decide.
    if User.objects.filter(canonical_username=canonical(username)).exists():
        raise Taken("username")
    if User.objects.filter(email__iexact=email).exists():
        raise Taken("email")
    return _insert(username, email, password_hash, is_staff=superuser, is_superuser=superuser)


def create_connected(*, username: str, email: str, first_name: str, last_name: str) -> User:
    """Create an account without a password, for a person who signs in elsewhere; its address is confirmed.

    A number is appended to the user name if it is taken. Raises Taken if another account has the address.
    """
    for name in numbered(username):
        try:
            facts = {"first_name": first_name, "last_name": last_name, "proven_email": email}
            return _insert(name, email, make_password(None), **facts)
        except Taken as error:
            if error.field != "username":
                raise
    raise AssertionError  # never reached, as `numbered` has no end


def _insert(username: str, email: str, password_hash: str, **facts: Any) -> User:
    """Insert the row; raises Taken if a unique index refuses it."""
    with unique_violation(lambda index: Taken("email" if index == "user_email_unique" else "username")):
        user = User.objects.create(
            username=User.normalize_username(username),
            email=User.objects.normalize_email(email),
            password=password_hash,
            **facts,
        )
    return user


def edit_profile(user: User, *, first_name: str, last_name: str, time_zone: str) -> None:
    """Save a person's names, and the time zone in which times are shown ("": the browser's)."""
    user.first_name, user.last_name, user.time_zone = first_name, last_name, time_zone
    user.save(update_fields=["first_name", "last_name", "time_zone"])


def choose_columns(*, user: User, columns: Sequence[str]) -> None:
    """Save the names of the columns of the person's lists of devices."""
    User.objects.filter(pk=user.pk).update(list_columns=list(columns))


class AccountForm(forms.Form):
    """The form of a new account: user name, e-mail address and password."""

    username = UsernameField(
        label="User name",
        max_length=LONGEST,
        validators=[UnicodeUsernameValidator()],
        widget=forms.TextInput({**PLAIN, "autocomplete": "username"}),
    )
    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput({**PLAIN, "autocomplete": "email"}),
    )
    password = forms.CharField(
        max_length=4096,
        strip=False,
        help_text="10 characters or more.",
        widget=forms.PasswordInput({**PLAIN, "autocomplete": "new-password"}),
    )

    def clean_username(self) -> str:
        return checked(self.cleaned_data["username"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        username, email = cleaned.get("username", ""), cleaned.get("email", "")
        # People also sign in by e-mail address: a name must not look like somebody else's.
        if "@" in username and canonical(username) != canonical(email):
            self.add_error("username", "A user name cannot contain @, unless it is your e-mail address.")
        if "password" in cleaned:
            try:
                validate_password(cleaned["password"], User(username=username, email=email))
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned

    def add_taken(self, error: Taken) -> None:
        """Show beside the field that another account has its value."""
        words = {
            "username": "This user name is taken. Choose another one.",
            "email": "An account with this address already exists. Sign in with it instead.",
        }
        self.add_error(error.field, words[error.field])
