"""What becomes of a form whose session or token is over, as the server sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from dashboard.models import User
from fleets.models import Organization
from tests.factories import make_member, make_organization

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db

NEW: Final = "/organizations/new/"
HERE: Final = {"Origin": "http://testserver"}
ELSEWHERE: Final = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
TYPED: Final = {"name": "Aker <Ferries>"}


@pytest.fixture
def ada() -> User:
    return make_member(make_organization(), username="ada")


@pytest.fixture
def client() -> Client:
    return Client(enforce_csrf_checks=True)


def token(client: Client) -> str:
    return str(client.get("/session/").json()["token"])


def kept(response: Response) -> bool:
    return response.status_code == 403 and "Send again" in response.content.decode()


def test_a_page_learns_whose_session_it_is_and_gets_a_token_that_is_good(client: Client, ada: User) -> None:
    nobody = client.get("/session/").json()
    assert (nobody["person"], nobody["name"]) == ("", "")
    client.force_login(ada)
    somebody = client.get("/session/")
    assert (somebody.json()["person"], somebody.json()["name"]) == (str(ada.pk), "ada")
    assert "no-store" in somebody["Cache-Control"]
    said = TYPED | {"csrfmiddlewaretoken": somebody.json()["token"]}
    assert client.post(NEW, said, headers=HERE).status_code == 302
    assert client.post("/session/").status_code == 403


def test_an_old_token_is_answered_with_the_form_and_a_good_one(client: Client, ada: User) -> None:
    client.force_login(ada)
    response = client.post(NEW, TYPED | {"csrfmiddlewaretoken": "a" * 32}, headers=HERE)
    assert kept(response)
    page = response.content.decode()
    assert 'value="Aker &lt;Ferries&gt;"' in page
    good = page.split('name="csrfmiddlewaretoken" value="')[1].partition('"')[0]
    assert not Organization.objects.filter(**TYPED).exists()
    client.post(NEW, TYPED | {"csrfmiddlewaretoken": good}, headers=HERE)
    assert Organization.objects.filter(**TYPED).exists()


def test_another_sites_words_are_never_offered_to_be_sent(client: Client, ada: User) -> None:
    client.force_login(ada)
    for headers in (ELSEWHERE, {"Origin": "null"}, {}):
        response = client.post(NEW, TYPED, headers=headers)
        assert response.status_code == 403
        assert "Ferries" not in response.content.decode()
    client.logout()
    said = TYPED | {"csrfmiddlewaretoken": token(client)}
    assert client.post(NEW, said).headers["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("path", [NEW, "/account/", "/admin/fleets/fleet/add/"])
def test_a_form_of_who_is_signed_out_is_kept(client: Client, path: str, ada: User) -> None:
    said = TYPED | {"csrfmiddlewaretoken": token(client)}
    assert kept(client.post(path, said, headers=HERE))


def test_what_holds_a_secret_or_a_file_or_nothing_is_not_kept(client: Client, ada: User) -> None:
    good = {"csrfmiddlewaretoken": token(client)}
    file = SimpleUploadedFile("many.csv", b"name\n")
    for said in ({"oldpassword": "x"}, {"code": "123456"}, {"credential": "{}"}, {"file": file}, {}):
        response = client.post(NEW, good | said, headers=HERE)
        assert response.headers["Location"].startswith("/sign-in/"), said
    for said in ({"login": "ada", "password": "hunter2-hunter2"}, {"file": file}, {}):
        response = client.post(NEW, said, headers=HERE)
        assert response.status_code == 403
        assert "hunter2" not in response.content.decode()
        assert not kept(response)


def test_signing_out_twice_leads_to_signing_in(client: Client, ada: User) -> None:
    said = {"csrfmiddlewaretoken": token(client), "next": "/"}
    assert client.post("/sign-out/", said, headers=HERE).status_code == 302


def test_what_htmx_asks_for_is_answered_as_ever(client: Client, ada: User) -> None:
    said = TYPED | {"csrfmiddlewaretoken": token(client)}
    assert client.post(NEW, said, headers=HERE | {"HX-Request": "true"}).status_code == 401
