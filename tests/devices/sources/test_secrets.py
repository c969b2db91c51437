import pytest
from django.test.utils import override_settings

from devices.models import Source
from devices.sources import secrets


def test_token_is_encrypted_and_told_by_its_end() -> None:
    source = Source()
    secrets.write(source, "named-key-of-somebody")
    assert "named-key" not in source.token
    assert source.token_end == "body"
    assert secrets.read(source) == "named-key-of-somebody"


def test_token_of_another_secret_key_must_be_entered_again() -> None:
    source = Source()
    with override_settings(SECRET_KEY="another"):
        secrets.write(source, "named-key-of-somebody")
    with pytest.raises(secrets.Unreadable, match="Enter it again"):
        secrets.read(source)


def test_end_of_a_short_token_is_not_shown() -> None:
    source = Source()
    secrets.write(source, "12345678")
    assert source.token_end == ""
