"""Many devices from a file: the form, its faults, the preview, the job, and the download of the keys."""

from __future__ import annotations

import re
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.http.request_limits import BODY_LIMIT
from dashboard.models import User
from devices.background import preregistration
from devices.models import ApiKey, Device, DeviceList, Job
from devices.operations import ceilings
from devices.operations.csv_cells import BOM
from devices.operations.device_file import COLUMNS
from fleets.models import Fleet, Role
from tests.factories import T0, make_device, make_member, make_organization, make_uuid
from tests.pages import streamed, text_of

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response
from tests.dashboard.pages.devices.imported import make_done, make_list

pytestmark = pytest.mark.django_db

PATH = "/fleets/kiosks/preregister/file/"
# session, person, my organizations, fleet, list; the clock
QUERIES = 6


def send(client: Client, text: str | bytes) -> Response:
    content = text if isinstance(text, bytes) else text.encode()
    return client.post(PATH, {"file": SimpleUploadedFile("kiosks.csv", content)})


def test_the_form_says_what_a_file_looks_like(reader: Client, fleet: Fleet) -> None:
    words = text_of(reader.get(PATH))
    assert "uuid,name,device_type,tags,notes" in words
    assert "up to 20 000 devices and 5 MB" in words
    assert f'href="{PATH}"' in reader.get("/fleets/kiosks/preregister/").content.decode()


def test_a_good_file_leads_to_its_preview_and_makes_no_device(
    reader: Client, fleet: Fleet, user: User
) -> None:
    answer = send(reader, f"name,uuid,tags\nkiosk-1,{make_uuid()},site = north\nkiosk-2,,\n")
    listed = DeviceList.objects.get()
    assert answer["Location"] == f"{PATH}{listed.uuid}/"
    words = text_of(reader.get(answer["Location"]))
    assert "No errors found in kiosks.csv . Nothing has been created yet." in words
    assert "Devices 2" in words
    assert "1 given, the others are generated" in words
    assert "2 kiosk-1" in words
    assert "site = north" in words
    assert not Device.objects.exists()
    assert (listed.fleet, listed.uploaded_by, listed.count) == (fleet, user, 2)


def test_the_page_says_how_many_lists_may_wait_and_that_no_more_may(
    reader: Client, fleet: Fleet, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceilings, "LISTS", 2)
    assert "Up to 2 lists of an organization can wait at the same time" in text_of(reader.get(PATH))
    make_done(fleet, user, "kiosk-0")
    confirmed, _ = (make_list(fleet, user) for _ in range(2))
    preregistration.confirm(listed=confirmed, actor=user)
    words = text_of(send(reader, "name\nkiosk-1\n"))
    assert "2 lists of devices wait in" in words
    assert DeviceList.objects.count() == 3
    Job.objects.update(state=Job.State.DONE, finished_at=T0)
    assert send(reader, "name\nkiosk-1\n").status_code == 302


def test_faults_are_listed_by_line_and_column_and_nothing_is_kept(reader: Client, fleet: Fleet) -> None:
    words = text_of(send(reader, "name,uuid\nkiosk-1,\nkiosk-2,77\n"))
    assert "1 error" in words
    assert "No device was created." in words
    assert "3 uuid A UUID has 32 or 62 characters" in words
    assert not DeviceList.objects.exists()


def test_of_many_faults_the_first_are_shown_with_their_number(reader: Client, fleet: Fleet) -> None:
    words = text_of(send(reader, "uuid\n" + "77\n" * 1_234))
    assert "1 234 errors" in words
    assert "Only the first 100 errors are shown." in words
    assert words.count("A UUID has 32 or 62 characters") == 100


def test_a_uuid_of_another_organization_is_taken_and_not_told_whose(reader: Client, fleet: Fleet) -> None:
    device = make_device(name="secret-buoy")
    words = text_of(send(reader, f"uuid\n{device.uuid}\n"))
    assert f"2 uuid Another device on this site already has {device.short_uuid}." in words
    assert "secret-buoy" not in words


STRANGE = "Colour,name,Serial no.\nred,kiosk-1,7\n"


def answered(page: Response, **said: str) -> dict[str, str]:
    """The form about unknown columns, with what a person chooses."""
    html = page.content.decode()
    hidden = dict(re.findall(r'type="hidden" name="(file_name|content)" value="([^"]*)"', html))
    chosen = re.findall(r'name="(column-[0-9]+)"', html)
    return hidden | dict.fromkeys(chosen, "-") | said


def test_unknown_columns_are_asked_about_and_nothing_is_chosen_twice(reader: Client, fleet: Fleet) -> None:
    page = send(reader, STRANGE)
    words = text_of(page)
    assert "2 unknown columns No device was created. kiosks.csv has columns with unknown names." in words
    assert "error" not in words
    form = answered(page, **{"column-2": "notes"})
    assert sorted(form) == ["column-0", "column-2", "content", "file_name"]
    answer = reader.post(PATH, form)
    listed = DeviceList.objects.get()
    assert answer["Location"] == f"{PATH}{listed.uuid}/"
    assert listed.file_name == "kiosks.csv"
    assert [(line["name"], line["notes"]) for line in listed.lines] == [("kiosk-1", "7")]


def test_what_was_said_of_columns_is_kept_where_it_cannot_be(reader: Client, fleet: Fleet) -> None:
    page = reader.post(PATH, answered(send(reader, STRANGE), **{"column-0": "name", "column-2": "tags"}))
    assert "1 name This column occurs twice." in text_of(page)
    assert re.findall(r'<option value="(\w+)" selected', page.content.decode()) == ["name", "tags"]
    assert not DeviceList.objects.exists()


def test_a_file_without_any_known_column_is_asked_about_too(reader: Client, fleet: Fleet) -> None:
    page = send(reader, "Bezeichnung;Ort\npumpe-1;Hof\n")
    assert "The first line must name the columns." in text_of(page)
    assert reader.post(PATH, answered(page, **{"column-0": "name"})).status_code == 302
    assert DeviceList.objects.get().lines[0]["name"] == "pumpe-1"


def test_faults_behind_the_header_are_told_once_the_columns_are_known(reader: Client, fleet: Fleet) -> None:
    page = reader.post(PATH, answered(send(reader, STRANGE), **{"column-2": "uuid"}))
    assert "2 uuid A UUID has 32 or 62 characters" in text_of(page)
    assert "unknown column" not in text_of(page)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "nonsense",
        "\u00e4",
        b64encode(zlib.compress(b"name\n")[:-1]).decode(),
        b64encode(zlib.compress(b"a" * (BODY_LIMIT + 1))).decode(),
    ],
)
def test_a_carried_file_that_is_none_is_not_read(reader: Client, fleet: Fleet, content: str) -> None:
    words = text_of(reader.post(PATH, {"file_name": "kiosks.csv", "content": content}))
    assert "Choose a file." in words or "The file did not arrive whole. Choose it again." in words


def test_of_very_many_unknown_columns_none_is_asked_about(reader: Client, fleet: Fleet) -> None:
    words = text_of(send(reader, "name," + ",".join(f"x{n}" for n in range(60)) + "\na\n"))
    assert "60 errors" in words
    assert "unknown columns" not in words


def test_a_template_has_every_column_and_no_device(reader: Client, fleet: Fleet) -> None:
    path = f"{PATH}devices.csv"
    assert f'href="{path}"' in reader.get(PATH).content.decode()
    text = streamed(reader.get(path))
    assert text == f"{BOM}{','.join(COLUMNS)}\r\n"
    assert "The file has no devices below the header." in text_of(send(reader, text))
    assert send(reader, f"{text}{make_uuid()},kiosk-1,,,,\r\n").status_code == 302


@pytest.mark.parametrize(("content", "said"), [(b"", "This file is empty."), (None, "Choose a file.")])
def test_no_file(reader: Client, fleet: Fleet, content: bytes | None, said: str) -> None:
    answer = send(reader, content) if content is not None else reader.post(PATH)
    assert said in text_of(answer)


def test_what_a_file_says_is_shown_as_text(reader: Client, fleet: Fleet) -> None:
    answer = send(reader, "name,<script>alert(1)</script>\na,b\n").content.decode()
    assert "<script>alert" not in answer
    assert "&lt;script&gt;alert(1)" in answer


def test_confirming_starts_the_job_once_and_leads_to_it(reader: Client, fleet: Fleet, user: User) -> None:
    listed = make_list(fleet, user, 3)
    first = reader.post(f"{PATH}{listed.uuid}/")
    job = Job.objects.get()
    assert (job.title, job.total, job.started_by) == ("Preregister 3 devices in kiosks", 3, user)
    assert first["Location"] == f"/jobs/{job.uuid}/"
    assert reader.post(f"{PATH}{listed.uuid}/")["Location"] == first["Location"]
    assert reader.get(f"{PATH}{listed.uuid}/")["Location"] == first["Location"]
    assert Job.objects.count() == 1


@pytest.mark.parametrize("lines", [1, 30])
def test_the_preview_costs_the_same_for_one_line_and_for_thirty(
    reader: Client,
    fleet: Fleet,
    user: User,
    lines: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    listed = make_list(fleet, user, lines)
    with django_assert_num_queries(QUERIES):
        words = text_of(reader.get(f"{PATH}{listed.uuid}/"))
    assert ("The first 10 of them" if lines > 10 else "All of them") in words


def test_strangers_and_observers(client: Client, fleet: Fleet, user: User) -> None:
    job, listed = make_done(fleet, user, "kiosk-1")
    pages = (PATH, f"{PATH}{listed.uuid}/")
    client.force_login(make_member(make_organization(), Role.OWNER))
    assert [client.get(page).status_code for page in pages] == [404, 404]
    assert [client.post(page).status_code for page in (*pages, f"/jobs/{job.uuid}/keys/")] == [404] * 3
    client.force_login(make_member(fleet.organization, Role.OBSERVER))
    assert [client.get(page).status_code for page in pages] == [403, 403]
    assert [client.post(page).status_code for page in (*pages, f"/jobs/{job.uuid}/keys/")] == [403] * 3
    assert not ApiKey.objects.exists()


def test_a_list_is_found_under_its_own_fleet_only(reader: Client, fleet: Fleet, user: User) -> None:
    listed = make_list(fleet, user)
    other = Fleet.objects.create(
        organization=fleet.organization, name="other", slug="other", vpn_enabled=True
    )
    assert reader.get(f"/fleets/{other.slug}/preregister/file/{listed.uuid}/").status_code == 404
