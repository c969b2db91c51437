"""A part of a page whose person has signed out leads to signing in, and then back to the page itself."""

from __future__ import annotations

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("page", "then"),
    [
        ("http://testserver/fleets/kiosks/?sort=name", "%2Ffleets%2Fkiosks%2F%3Fsort%3Dname"),
        ("https://evil.example/fleets/", "%2Fincidents%2Fbell%2F"),  # of another site: not believed
    ],
)
def test_it_leads_back_to_the_page_that_asked(client: Client, page: str, then: str) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": page}
    answer = client.get("/incidents/bell/", headers=headers)
    assert (answer.status_code, answer["HX-Redirect"]) == (401, f"/sign-in/?next={then}")
