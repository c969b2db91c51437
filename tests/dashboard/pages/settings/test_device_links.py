"""Settings, Device links: what an Administrator keeps there, and what is refused."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices.models import DeviceLink
from devices.operations.device_links import MOST, add, change, version_of
from fleets.models import Organization, Role
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db

QUERIES = 6  # session, person, organizations, device links, clock, fleets at the side


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def administrator(client: Client, organization: Organization) -> Client:
    client.force_login(make_member(organization, Role.ADMINISTRATOR))
    return client


@pytest.fixture
def address(organization: Organization) -> str:
    return f"/settings/{organization.slug}/device-links/"


def test_a_link_is_added_changed_and_deleted(administrator: Client, address: str) -> None:
    assert "No device links yet" in text_of(administrator.get(address))
    said = {"name": "Terminal", "template": " ssh root@{ip} "}
    assert "Terminal is on the page of each device now." in text_of(
        administrator.post(address, said, follow=True)
    )
    link = DeviceLink.objects.get()
    own = f"{address}{link.uuid}/"
    assert (link.name, link.template) == ("Terminal", "ssh root@{ip}")
    said = {"name": "Shell", "template": "ssh://{ip}", "seen": version_of(link)}
    assert "Shell ssh://{ip}" in text_of(administrator.post(own, said, follow=True))
    assert "Shell is deleted." in text_of(administrator.post(f"{own}delete/", follow=True))
    assert not DeviceLink.objects.exists()


@pytest.mark.parametrize(
    ("name", "template", "said"),
    [
        ("Shell", "ssh {ipaddr}", "{ipaddr} is not known. Use {uuid},"),
        ("Shell", "javascript:alert(1)", "this begins with javascript:"),
        ("tERMINAL", "ssh {ip}", "A device link with this name already exists."),
        ("", "ssh {ip}", "This field is required."),
        ("Shell", "ssh\u200b {ip}", "a character that does not show"),
    ],
)
def test_what_is_refused_stays_in_the_form_and_is_named(
    administrator: Client, organization: Organization, address: str, name: str, template: str, said: str
) -> None:
    kept = add(organization=organization, name="Terminal", template="ssh {ip}", actor=None)
    page = administrator.post(address, {"name": name, "template": template})
    assert said in text_of(page)
    assert page.context["form"]["template"].value() == template
    own = f"{address}{kept.uuid}/"
    if name != "tERMINAL":
        sent = {"name": name, "template": template, "seen": version_of(kept)}
        assert said in text_of(administrator.post(own, sent))
    assert list(DeviceLink.objects.values_list("name", "template")) == [("Terminal", "ssh {ip}")]


def test_a_change_over_anothers_is_409_and_saved_when_sent_again(
    administrator: Client, organization: Organization, address: str
) -> None:
    link = add(organization=organization, name="Terminal", template="ssh {ip}", actor=None)
    own = f"{address}{link.uuid}/"
    seen = administrator.get(own).context["seen"]
    change(link=link, seen=seen, name="Theirs", template="ssh://{ip}", actor=None)
    said = {"name": "Mine", "template": "ssh {name}", "seen": seen}
    late = administrator.post(own, said)
    assert late.status_code == 409
    assert "is “Theirs” now: ssh://{ip}" in text_of(late)
    administrator.post(own, said | {"seen": late.context["seen"]})
    assert DeviceLink.objects.get().name == "Mine"


def test_where_there_are_as_many_as_there_may_be_the_form_is_gone(
    administrator: Client, organization: Organization, address: str
) -> None:
    for number in range(MOST):
        add(organization=organization, name=str(number), template="ssh {ip}", actor=None)
    assert "There are 10 device links, which is the most." in text_of(administrator.get(address))
    page = administrator.post(address, {"name": "One more", "template": "ssh {ip}"})
    assert DeviceLink.objects.count() == MOST
    assert page.status_code == 200


def test_one_that_was_deleted_meanwhile_is_not_there(
    administrator: Client, organization: Organization, address: str
) -> None:
    link = add(organization=organization, name="Terminal", template="ssh {ip}", actor=None)
    link.delete()
    assert administrator.get(f"{address}{link.uuid}/").status_code == 404
    theirs = add(organization=make_organization(), name="Far", template="ssh {ip}", actor=None)
    assert administrator.get(f"{address}{theirs.uuid}/").status_code == 404


def test_query_count(
    administrator: Client,
    organization: Organization,
    address: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for rows in (1, MOST - 1):
        for number in range(rows):
            add(organization=organization, name=f"{rows} {number}", template="ssh {ip}", actor=None)
        with django_assert_num_queries(QUERIES):
            administrator.get(address)
