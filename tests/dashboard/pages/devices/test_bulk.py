"""Actions over many devices: the bar of the list, the pages that ask, and the job that they start."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from devices import clock
from devices.listing.kept_list import read
from devices.listing.query_string import address_of
from devices.models import Device, Job, SelectedDevice, Selection
from devices.operations import bulk_actions, ceilings
from fleets.models import Fleet, Organization, Role
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import html_of, make_every_status, text_of

pytestmark = pytest.mark.django_db

# session, person, organizations, clock, selection with its job; counts, and names of those that would change
# and of each reason to skip
QUERIES = {"deactivate": 7, "delete": 7}  # nobody is skipped: then there is nobody to name


def select(client: Client, action: str, *ticked: Device, **said: str) -> str:
    """Tick and press the button; returns where that leads."""
    data = {"action": action, "sel": [device.uuid for device in ticked], "query": ""} | said
    answer = client.post("/devices/selections/", data)
    assert answer.status_code == 302
    return answer["Location"]


def selected() -> list[str]:
    ids = SelectedDevice.objects.values_list("device_id", flat=True)
    return sorted(Device.objects.filter(pk__in=ids).values_list("name", flat=True))


def test_ticked_rows_are_asked_for_previewed_and_moved(
    reader: Client, organization: Organization, fleet: Fleet
) -> None:
    to = make_fleet(organization, name="Trams", slug="trams")
    here, there, _ = make_device(fleet, name="a"), make_device(to, name="b"), make_device(fleet, name="c")
    path = select(reader, "move", here, there)
    for way in (path, f"{path}?org={organization.slug}"):
        words = text_of(reader.get(way))
        assert "Move 2 devices" in words
        assert "This field is required" not in words
    asked = reader.get(f"{path}?preview=1&to=trams")
    words = text_of(asked)
    assert "Move 2 devices to Trams" in words
    assert "Will change 1 a" in words
    assert "Skipped 1 Already in Trams : b" in words
    assert "><bdi>Move 1 device to Trams</bdi></button>" in html_of(asked)
    assert not Job.objects.exists()
    done = reader.post(path, {"preview": "1", "to": "trams"})
    job = Job.objects.get()
    assert done["Location"] == f"/jobs/{job.uuid}/"
    assert (job.title, job.total, job.whole) == ("Move 2 devices to Trams", 2, False)
    assert job.parameters["said"] == {"fleet": "trams"}
    assert reader.get(path)["Location"] == reader.post(path, {"preview": "1"})["Location"] == done["Location"]


@pytest.mark.parametrize(("ceiling", "most"), [("SELECTIONS", 2), ("SELECTED", 3)])
def test_no_more_is_selected_than_may_be_kept_and_the_list_says_so(
    reader: Client, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, ceiling: str, most: int
) -> None:
    monkeypatch.setattr(ceilings, ceiling, most)
    for name in ("a", "b"):
        make_device(fleet, name=name)
    asked = {"action": "deactivate", "all": "1", "query": "?sort=name"}
    for _ in range(2):
        assert "/selections/" in reader.post("/devices/selections/", asked)["Location"]
    answer = reader.post("/devices/selections/", asked, follow=True)
    assert answer.redirect_chain == [("/devices/?sort=name", 302)]
    assert "which is the limit. Nothing was started." in text_of(answer)
    assert Selection.objects.count() == 2
    Selection.objects.update(created_at=clock.now() - bulk_actions.NEEDED)
    assert "/selections/" in reader.post("/devices/selections/", asked)["Location"]


def test_all_that_match_are_those_of_the_filter_and_no_others(reader: Client, fleet: Fleet) -> None:
    make_every_status(fleet)
    path = select(reader, "deactivate", all="1", query="?status=offline&status=inactive&sort=name")
    make_device(fleet, name="later", is_active=False)
    assert selected() == ["a-inactive", "a-offline"]
    assert address_of(read(Selection.objects.get().kept)) == "status=inactive&status=offline&sort=name"
    words = text_of(reader.get(path))
    assert "Will change 1 a-offline" in words
    assert "Skipped 1 Already inactive : a-inactive" in words
    assert "devices that no longer match are skipped" in words


def test_a_device_with_a_link_is_skipped_with_the_reason_and_where_none_is_left_there_is_no_button(
    reader: Client, fleet: Fleet
) -> None:
    made = make_every_status(fleet)
    page = reader.get(select(reader, "deactivate", made["online"], made["vpn-only"]))
    words = text_of(page)
    assert "Skipped 2 A link is up : a-online, a-vpn-only" in words
    assert "None of them would change" in words
    assert 'type="submit"' not in page.content.decode().split('class="form-end"')[1]


@pytest.mark.parametrize(
    ("action", "said", "title", "parameters"),
    [
        (
            "tag",
            {"put": "site = a\nspare", "drop": "line"},
            "Tag 1 device: site = a, spare, without line",
            {"put": {"site": "a", "spare": ""}, "drop": ["line"]},
        ),
        (
            "poll-interval",
            {"every": "5", "unit": "min"},
            "Set the poll interval of 1 device to 5 min",
            {"poll_interval": 300},
        ),
        (
            "poll-interval",
            {"every": "", "unit": "min"},
            "Set the poll interval of 1 device to the fleet setting",
            {"poll_interval": None},
        ),
        ("deactivate", {}, "Deactivate 1 device", {}),
    ],
)
def test_what_was_previewed_is_what_is_started(
    reader: Client, fleet: Fleet, action: str, said: dict[str, str], title: str, parameters: dict[str, object]
) -> None:
    path = select(reader, action, make_device(fleet, poll_interval=60))
    page = reader.get(path, {"preview": "1"} | said)
    assert title in text_of(page).replace("\u00a0", " ")
    hidden = {name: page.context["form"][name].value() for name in said}
    assert hidden == said
    reader.post(path, {"preview": "1"} | said)
    job = Job.objects.get()
    assert job.title.replace("\u00a0", " ") == title
    assert job.parameters["said"] == parameters


@pytest.mark.parametrize(
    ("action", "said", "words"),
    [
        ("move", {"to": "nowhere"}, "Select a valid choice"),
        ("tag", {}, "Enter a tag to add or to remove."),
        ("tag", {"put": "= a"}, "“= a” has no name before the =."),
        ("tag", {"put": "a = 1", "drop": "a"}, "“a” cannot be added and removed at the same time."),
        ("poll-interval", {"every": "1", "unit": "s"}, "from 10 s to 24 h, not 1 s"),
    ],
)
def test_what_cannot_be_done_says_why_and_starts_nothing(
    reader: Client, fleet: Fleet, action: str, said: dict[str, str], words: str
) -> None:
    path = select(reader, action, make_device(fleet))
    for answer in (reader.get(path, {"preview": "1"} | said), reader.post(path, {"preview": "1"} | said)):
        assert words in text_of(answer)
    assert not Job.objects.exists()


def test_deleting_many_asks_for_their_number(
    client: Client, organization: Organization, fleet: Fleet
) -> None:
    client.force_login(make_member(organization, Role.ADMINISTRATOR))
    path = select(client, "delete", make_device(fleet, name="a"), make_device(fleet, name="b"))
    assert "Type 2 , the number of devices, to delete them" in text_of(client.get(path))
    for wrong in ("", "1", "yes"):
        refused = client.post(path, {"preview": "1", "confirm": wrong})
        assert "Type 2 to delete them. Nothing was deleted." in text_of(refused)
    assert not Job.objects.exists()
    client.post(path, {"preview": "1", "confirm": "2"})
    job = Job.objects.get()
    assert (job.title, job.least_role) == ("Delete 2 devices", "administrator")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "No device is selected, so there is nothing to do."),
        ({"sel": "f" * 32}, "No device is selected"),
        ({"all": "1", "query": "?status=great"}, "There is no status “great”"),
        ({"all": "1", "query": "?q=nowhere"}, "No device is selected"),
    ],
)
def test_where_it_is_not_clear_which_devices_are_meant_nothing_is_selected(
    reader: Client, fleet: Fleet, said: dict[str, str], words: str
) -> None:
    make_device(fleet)
    answer = reader.post("/devices/selections/", {"action": "tag"} | said, follow=True)
    assert answer.redirect_chain[0][0].startswith("/devices/?")
    assert words in text_of(answer)
    assert not Selection.objects.exists()


def test_an_action_is_about_the_devices_of_one_organization(reader: Client, user: User, fleet: Fleet) -> None:
    other = make_organization(name="Other", slug="other")
    other.memberships.create(user=user, role=Role.OPERATOR)
    devices = make_device(fleet, name="here"), make_device(make_fleet(other), name="there")
    answer = reader.post(
        "/devices/selections/", {"action": "tag", "sel": [device.uuid for device in devices]}, follow=True
    )
    assert "These devices belong to several organizations" in text_of(answer)
    select(reader, "tag", all="1", query="?org=other")
    assert selected() == ["there"]


def test_the_bar_has_the_buttons_of_the_role(
    client: Client, organization: Organization, fleet: Fleet
) -> None:
    make_device(fleet)
    operators = ["move", "tag", "poll-interval", "deactivate"]
    for role, shown in (
        (Role.OBSERVER, []),
        (Role.OPERATOR, operators),
        (Role.ADMINISTRATOR, [*operators, "delete"]),
    ):
        client.force_login(make_member(organization, role))
        for path in ("/devices/", "/fleets/kiosks/"):
            html = client.get(path).content.decode()
            assert [action for action in [*operators, "delete"] if f'value="{action}"' in html] == shown
            assert 'form="bulk"' in html


def test_roles_are_asked_for_at_every_step(client: Client, organization: Organization, fleet: Fleet) -> None:
    device = make_device(fleet)
    client.force_login(make_member(organization, Role.OPERATOR))
    path = select(client, "tag", device)
    said = {"action": "delete", "sel": device.uuid}
    assert client.post("/devices/selections/", said).status_code == 403
    assert client.get(path.replace("/tag/", "/delete/")).status_code == 403
    assert client.get(path.replace("/tag/", "/reboot/")).status_code == 404
    assert client.post("/devices/selections/", said | {"action": "reboot"}).status_code == 404
    client.force_login(make_member(organization, Role.OBSERVER))
    assert client.get(path).status_code == 403


def test_strangers_get_404_and_select_nothing(client: Client, reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    path = select(reader, "tag", device)
    stranger = Client()
    stranger.force_login(make_member(make_organization(), Role.OWNER))
    assert stranger.get(path).status_code == stranger.post(path).status_code == 404
    Selection.objects.all().delete()
    assert select(stranger, "tag", device).startswith("/devices/?")
    assert not Selection.objects.exists()


@pytest.mark.parametrize("action", QUERIES)
def test_query_count(
    client: Client,
    organization: Organization,
    fleet: Fleet,
    action: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client.force_login(make_member(organization, Role.ADMINISTRATOR))
    for rows in (1, 30):
        path = select(client, action, *(make_device(fleet) for _ in range(rows)))
        with django_assert_num_queries(QUERIES[action]):
            assert client.get(path).status_code == 200
