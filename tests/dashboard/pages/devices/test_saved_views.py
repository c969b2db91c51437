"""Saved views: the strip above the list, and the pages that save, rename and delete one."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from dashboard.pages.devices.saved_query import query_of
from devices.models import SavedView
from devices.operations.saved_views import change, save, version_of
from fleets.models import AuditEntry, Organization, Role
from tests.factories import make_fleet, make_member, make_organization
from tests.lists import listed
from tests.pages import refresh, text_of

pytestmark = pytest.mark.django_db


def strip_of(client: Client, query: str = "") -> list[tuple[str, str]]:
    """The views above the list with their addresses; the one in force is marked by a star."""
    html = client.get(f"/devices/{query}").content.decode().split('class="views"')[1].split("</nav>")[0]
    links = re.findall(r'<a href="([^"]*)"( aria-current="page")?><bdi>([^<]*)</bdi></a>', html)
    return [(words + ("*" if current else ""), href.replace("&amp;", "&")) for href, current, words in links]


def test_a_view_keeps_filters_order_and_columns_and_no_place(reader: Client, user: User) -> None:
    query = "?status=offline&status=frozen&sort=-name&columns=os&after=W10&junk=1"
    html = reader.get(f"/devices/{query}").content.decode()
    kept = "status=frozen&status=offline&sort=-name&columns=os"
    assert f'href="/devices/views/new/?{kept}"'.replace("&", "&amp;") in html
    asked = reader.get(f"/devices/views/new/?{kept}")
    assert asked.context["query"] == kept
    done = reader.post("/devices/views/new/", {"query": f"{kept}&after=W10", "name": "Lost"}, follow=True)
    view = SavedView.objects.get()
    opened = f"/devices/?{kept}&view={view.uuid}"
    assert done.redirect_chain == [(opened, 302)]
    assert "Lost is saved." in text_of(done)
    assert (view.name, query_of(view), view.owner, view.organization) == ("Lost", kept, user, None)
    assert strip_of(reader, f"?{kept}") == [("All devices", "/devices/"), ("Lost*", opened)]
    assert strip_of(reader)[0] == ("All devices*", "/devices/")


def test_a_shared_view_names_its_organization_and_is_seen_by_all_of_it(
    reader: Client, organization: Organization
) -> None:
    said = {"query": "status=offline", "name": "Lost", "within": organization.slug}
    reader.post("/devices/views/new/", said)
    eve = Client()
    eve.force_login(make_member(organization, Role.OBSERVER))
    address = f"/devices/?org={organization.slug}&status=offline&view={SavedView.objects.get().uuid}"
    assert strip_of(eve)[1:] == [("Lost", address)]
    listed = eve.get("/devices/views/")
    assert f"Lost Shared in {organization.name}" in text_of(listed)
    assert "Rename or delete" not in text_of(listed)
    assert "Rename or delete Lost" in text_of(reader.get("/devices/views/"))
    stranger = Client()
    stranger.force_login(make_member(make_organization()))
    assert strip_of(stranger)[1:] == []


def test_observers_save_for_themselves_alone(client: Client, organization: Organization) -> None:
    client.force_login(make_member(organization, Role.OBSERVER))
    assert 'name="within"' not in client.get("/devices/views/new/").content.decode()
    said = {"query": "", "name": "Lost", "within": organization.slug}
    assert "Select a valid choice" in text_of(client.post("/devices/views/new/", said)) or (
        not SavedView.objects.filter(organization=organization).exists()
    )
    client.post("/devices/views/new/", {"query": "", "name": "Mine"})
    assert [view.organization for view in SavedView.objects.all()] == [None]


def test_a_name_that_is_taken_says_so_and_keeps_the_rest(reader: Client, user: User) -> None:
    save(actor=user, name="Lost", kept=listed(""))
    refused = reader.post("/devices/views/new/", {"query": "sort=name", "name": "lost"})
    assert "A view with this name already exists. Choose another name." in text_of(refused)
    assert 'name="query" value="sort=name"' in refused.content.decode()
    assert SavedView.objects.count() == 1


def test_a_view_is_renamed_unless_others_did_meanwhile(
    reader: Client, user: User, organization: Organization
) -> None:
    view = save(actor=user, name="Lost", kept=listed(""), organization=organization)
    path, seen = f"/devices/views/{view.uuid}/", version_of(view)
    assert f'value="{seen}"' in reader.get(path).content.decode()
    change(view=view, actor=make_member(organization), seen=seen, name="Theirs")
    refused = reader.post(path, {"seen": seen, "name": "Mine"})
    assert refused.status_code == 409
    assert "It was changed meanwhile and is called “Theirs” now" in text_of(refused)
    assert 'value="Mine"' in refused.content.decode()
    again = re.search(r'name="seen" value="([^"]+)"', refused.content.decode())
    assert again
    done = reader.post(path, {"seen": again[1], "name": "Mine"})
    assert done["Location"] == "/devices/views/"
    assert SavedView.objects.get().name == "Mine"


def test_a_view_is_deleted(reader: Client, user: User) -> None:
    view = save(actor=user, name="Lost", kept=listed(""))
    assert reader.get(f"/devices/views/{view.uuid}/delete/").status_code == 405
    done = reader.post(f"/devices/views/{view.uuid}/delete/", follow=True)
    assert "Lost is deleted." in text_of(done)
    assert "No saved views yet" in text_of(done)
    assert reader.get(f"/devices/views/{view.uuid}/").status_code == 404


def offered(client: Client, query: str) -> dict[str, str] | None:
    """What the strip's button posts, and where to; None where there is none."""
    strip = client.get(f"/devices/{query}").content.decode().split('class="views"')[1].split("</nav>")[0]
    if "<form" not in strip:
        return None
    assert "Save as a new view" in strip
    fields = dict(re.findall(r'name="(query|seen)" value="([^"]*)"', strip))
    path = re.search(r'action="([^"]*)"', strip)
    assert path
    return {name: value.replace("&amp;", "&") for name, value in fields.items()} | {"path": path[1]}


def test_a_list_opened_from_a_view_and_changed_is_put_into_it(reader: Client, user: User) -> None:
    view = save(actor=user, name="Lost", kept=listed("status=offline"))
    opened = f"?status=offline&view={view.uuid}"
    assert offered(reader, opened) is None  # as it is saved
    changed = f"?status=offline&status=frozen&sort=name&after=W10&view={view.uuid}"
    said = offered(reader, changed)
    kept = "status=frozen&status=offline&sort=name"
    assert said == {
        "query": kept,
        "seen": version_of(view),
        "path": f"/devices/views/{view.uuid}/update/",
    }
    done = reader.post(said["path"], said, follow=True)
    assert done.redirect_chain == [(f"/devices/?{kept}&view={view.uuid}", 302)]
    assert "Lost is updated." in text_of(done)
    assert query_of(SavedView.objects.get()) == kept
    assert reader.get(said["path"]).status_code == 405


def test_what_is_changed_in_the_list_keeps_where_it_was_opened_from(reader: Client, user: User) -> None:
    view = save(actor=user, name="Lost", kept=listed("q=a"))
    page = reader.get(f"/devices/?q=a&view={view.uuid}")
    assert f'<input type="hidden" name="view" value="{view.uuid}">' in page.content.decode()
    assert page.context["links"].heads["name"].address == f"?q=a&view={view.uuid}&sort=name"


@pytest.mark.parametrize("query", ["?view=nonsense", "?view=%00", "?view={}", "?view="])
def test_a_view_that_is_none_or_a_strangers_is_passed_over(reader: Client, query: str) -> None:
    theirs = save(actor=make_member(make_organization()), name="Theirs", kept=listed(""))
    query = f"{query.format(theirs.uuid)}&q=a"
    assert offered(reader, query) is None
    assert strip_of(reader, query) == [("All devices", "/devices/")]


@pytest.mark.parametrize("query", ["", "?view={}", "?org={org}&view={}"])
def test_no_view_is_made_one_of_all_devices(
    reader: Client, user: User, organization: Organization, query: str
) -> None:
    view = save(actor=user, name="Lost", kept=listed("status=offline"))
    assert offered(reader, query.format(view.uuid, org=organization.slug)) is None


def test_a_shared_view_is_updated_by_operators_within_its_organization(
    reader: Client, user: User, organization: Organization
) -> None:
    view = save(actor=user, name="Lost", kept=listed(f"org={organization.slug}"), organization=organization)
    query = f"?status=offline&view={view.uuid}"
    eve = Client()
    eve.force_login(make_member(organization, Role.OBSERVER))
    assert offered(eve, query) is None
    said = offered(reader, query)
    assert said
    assert eve.post(said["path"], said).status_code == 403
    reader.post(said["path"], said)
    kept = f"org={organization.slug}&status=offline"
    assert query_of(SavedView.objects.get()) == kept
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.subject_name) == ("view-changed", "Lost")
    assert (entry.before, entry.after) == ({"query": f"org={organization.slug}"}, {"query": kept})


def test_a_view_is_not_updated_over_what_others_saved_meanwhile(
    reader: Client, user: User, organization: Organization
) -> None:
    view = save(actor=user, name="Lost", kept=listed("sort=name"), organization=organization)
    mine = f"org={organization.slug}&status=offline"
    said = offered(reader, f"?{mine}&view={view.uuid}")
    assert said
    change(
        view=view,
        actor=make_member(organization),
        seen=version_of(view),
        kept=listed("sort=-name"),
        name="Gone",
    )
    refused = reader.post(said["path"], said)
    assert refused.status_code == 409
    words = text_of(refused)
    assert (
        "Nothing was saved. It was changed meanwhile. It is called “ Gone ” now. It shows sort=-name ."
        in words
    )
    assert f"After the update it shows {mine.replace('&', '&amp;')} ." in words
    back = f'href="/devices/?{mine}&view={view.uuid}">Cancel'.replace("&", "&amp;")
    assert back in refused.content.decode()
    assert query_of(SavedView.objects.get()) == "sort=-name"
    again = re.search(r'name="seen" value="([^"]+)"', refused.content.decode())
    assert again
    reader.post(said["path"], said | {"seen": again[1]})
    assert query_of(SavedView.objects.get()) == mine


def test_a_view_whose_fleet_was_deleted_is_opened_with_a_notice(
    reader: Client, user: User, organization: Organization
) -> None:
    fleet = make_fleet(organization, slug="trams")
    view = save(actor=user, name="Lost", kept=listed("fleet=trams&status=offline"))
    fleet.delete()
    opened = f"/devices/?fleet=trams&status=offline&view={view.uuid}"
    assert strip_of(reader)[1:] == [("Lost", opened)]
    assert "There is no fleet “trams” here. It was ignored." in text_of(reader.get(opened))


def test_a_view_of_before_in_which_something_is_not_known_is_opened_with_a_notice(
    reader: Client, user: User
) -> None:
    view = save(actor=user, name="Lost", kept=listed(""))
    SavedView.objects.update(kept={"v": 0, "address": "status=nonsense&sort=name"})
    opened = f"/devices/?status=nonsense&sort=name&view={view.uuid}"
    assert strip_of(reader, "?sort=name")[1:] == [("Lost*", opened)]
    assert "There is no status “nonsense”" in text_of(reader.get(opened))
    assert "It shows status=nonsense&amp;sort=name ." in text_of(reader.get(f"/devices/views/{view.uuid}/"))


def test_a_view_that_cannot_be_read_is_shown_as_such_and_opens_no_list(reader: Client, user: User) -> None:
    view = save(actor=user, name="Lost", kept=listed(""))
    SavedView.objects.update(kept={"v": 2, "battery": "low"})
    assert strip_of(reader) == [("All devices*", "/devices/")]
    page = reader.get("/devices/views/")
    assert "Lost Only you. This version of the site cannot read it" in text_of(page)
    assert "/devices/?" not in page.content.decode().split('class="panel own-list"')[1].split("</ul>")[0]
    path = f"/devices/views/{view.uuid}/"
    assert "This version of the site cannot read what it shows." in text_of(reader.get(path))
    refused = reader.post(f"{path}update/", {"query": "status=offline"})
    assert "It was changed meanwhile. It is called “ Lost ” now. This version of the site cannot" in text_of(
        refused
    )
    said = offered(reader, f"?status=offline&view={view.uuid}")
    assert said
    reader.post(said["path"], said)
    assert query_of(SavedView.objects.get()) == "status=offline"


def test_strangers_get_404(reader: Client) -> None:
    other = make_organization()
    owner = make_member(other, Role.OWNER)
    for view in (
        save(actor=owner, name="Own", kept=listed("")),
        save(actor=owner, name="Shared", kept=listed(""), organization=other),
    ):
        for path in ("", "update/", "delete/"):
            said = {"name": "Mine", "query": "q=mine"}
            assert reader.post(f"/devices/views/{view.uuid}/{path}", said).status_code == 404
    assert SavedView.objects.count() == 2


def test_the_strip_ends_after_eight_and_a_refresh_does_without(reader: Client, user: User) -> None:
    for number in range(9):
        save(actor=user, name=f"v-{number}", kept=listed(f"q={number}"))
    assert [words for words, _ in strip_of(reader)] == ["All devices*", *(f"v-{n}" for n in range(8))]
    assert "All views" in text_of(reader.get("/devices/"))
    assert 'class="views"' not in refresh(reader, "/devices/").content.decode()
    last = save(actor=user, name="v-9", kept=listed("q=9"))
    assert [words for words, _ in strip_of(reader, f"?q=9&view={last.uuid}")][8:] == ["v-7", "v-9*"]


def test_query_count(reader: Client, user: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for rows in (1, 29):
        for number in range(rows):
            save(actor=user, name=f"{rows}-{number}", kept=listed(""))
        # session, person, organizations, views, clock
        with django_assert_num_queries(5):
            reader.get("/devices/views/")


def test_the_strip_asks_once_whatever_it_was_opened_from(
    reader: Client, user: User, organization: Organization
) -> None:
    own = save(actor=user, name="Own", kept=listed(""))
    shared = save(actor=user, name="Shared", kept=listed(""), organization=organization)
    asked = []
    for query in ("?q=a", f"?q=a&view={own.uuid}", f"?q=a&view={shared.uuid}"):
        with CaptureQueriesContext(connection) as queries:
            reader.get(f"/devices/{query}")
        asked.append(len(queries))
    assert asked == asked[:1] * 3
