import pytest
from django.contrib.auth import authenticate

from dashboard.models import User

PASSWORD = "a long enough password"


@pytest.mark.django_db
def test_by_name_or_by_address_whatever_its_case() -> None:
    kim = User.objects.create_user("kim", "Kim@Example.org", PASSWORD)
    for name in ("kim", "Kim@Example.org", "kim@example.ORG"):
        assert authenticate(username=name, password=PASSWORD) == kim
        assert authenticate(username=name, password="another password") is None
    for name in ("KIM", "kim@example", "", "%"):
        assert authenticate(username=name, password=PASSWORD) is None


@pytest.mark.django_db
def test_a_name_wins_over_an_address() -> None:
    User.objects.create_user("kim", "kim@example.org", PASSWORD)
    other = User.objects.create_user("kim@example.org", "", "the other password")
    assert authenticate(username="kim@example.org", password="the other password") == other
    assert authenticate(username="kim@example.org", password=PASSWORD) is None


@pytest.mark.django_db
def test_who_is_not_active_stays_outside() -> None:
    User.objects.create_user("kim", "kim@example.org", PASSWORD, is_active=False)
    assert authenticate(username="kim@example.org", password=PASSWORD) is None
