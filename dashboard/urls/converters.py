"""Path converters for a device, a key and a secret; dashboard/urls registers them."""

from devices.models import UUID_PATTERN


class TextConverter:
    """A text that is in the address as it is stored; other texts match no page."""

    regex = ""

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class Uuid(TextConverter):
    """A device's UUID."""

    regex = UUID_PATTERN.strip("^$")


class Fingerprint(TextConverter):
    """A key's fingerprint (devices.keys.fingerprint): the key itself is a secret."""

    regex = "[0-9a-f]{12}"


class Secret(TextConverter):
    """The secret of a link; none of the site's is longer."""

    regex = "[A-Za-z0-9_:-]{1,8000}"
