"""The password hasher of the site with parameters that make it fast, for tests."""

from dashboard.http.password_hashing import Hasher


class Quick(Hasher):
    iterations = 1
