"""Whatever happens, in whatever order, whoever is killed: the site ends right."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import devices.vpn
from devices.vpn.management import Management
from devices.vpn.openvpn import OpenVpn
from devices.vpn.site import Names, NotHeard
from devices.vpn.spool import Note, Spool
from tests.devices.vpn.far_end import FarEnd
from tests.examples import examples

HOOK = Path(devices.vpn.__file__).with_name("hook")
UUID = "a" * 32


class Killed(BaseException):
    """kill -9, as far as Python can have it."""


def call_hook(spool: Path, call: str, session: str, name: str = UUID) -> subprocess.CompletedProcess[str]:
    """As OpenVPN does, which adds a file's name to what client-connect is called with."""
    start, _, port = session.partition("-")
    told = {"script_type": f"client-{call}", "common_name": name, "time_unix": start, "untrusted_port": port}
    return subprocess.run(
        [HOOK, spool, "/dev/null"], env=told, check=False, capture_output=True, text=True, timeout=10
    )


@contextmanager
def killed_after(steps: int) -> Iterator[None]:
    """Ends everything once so many changes on disk were made; a text is half written first."""
    left = steps

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def step(path: Path, *args: Any) -> Any:
            nonlocal left
            left -= 1
            if left >= 0:
                return change(path, *args)
            if change is write:
                write(path, args[0][:5])
            raise Killed

        return step

    write = Path.write_text
    with ExitStack() as patches:
        for name in ("rename", "replace", "unlink", "write_text"):
            patches.enter_context(mock.patch.object(Path, name, counted(getattr(Path, name))))
        yield


def new_watcher(site: FarEnd, spool: Path) -> OpenVpn:
    return OpenVpn(site, Spool(spool), Management(str(spool / "nobody-listens")), Names())


# A client comes; one of those who are there goes, which may be late; the watcher looks.
Step = tuple[str, int, str]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("connect"), st.just(0), st.just("")),
        st.tuples(st.just("disconnect"), st.integers(0, 3), st.just("")),
        st.tuples(st.just("look"), st.integers(0, 8), st.sampled_from(["", "down", "after"])),
    ),
    max_size=14,
)


@given(steps=steps)
@settings(max_examples=examples(150))
def test_the_site_ends_as_if_it_had_heard_everything(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        told, replayed = live(Path(directory), steps)
    assert told == replayed


def live(directory: Path, steps: list[Step]) -> tuple[str | None, str | None]:
    """The device's session as the site was told through the spool, and as it happened."""
    key = directory / "key"
    key.touch(0o600)
    key.write_text("k" * 32)
    site, truth, spool = FarEnd(key), FarEnd(key), directory / "vpn-1"
    watcher = new_watcher(site, spool)
    there: list[str] = []
    for number, (call, which, fails) in enumerate(steps):
        if call == "look":
            site.fails = fails
            watcher = look(watcher, site, spool, killed=which)
            continue
        if call == "connect":
            there.append(f"{1_800_000_000 + number}-{40_000 - number}")
        elif not there:
            continue
        session = there[-1] if call == "connect" else there.pop(which % len(there))
        assert call_hook(spool, call, session).returncode == 0
        truth.hear(call, session)
    site.fails = ""
    watcher.look(0)
    assert not Spool(spool).pending()
    return site.session, truth.session


def look(watcher: OpenVpn, site: FarEnd, spool: Path, *, killed: int) -> OpenVpn:
    """One look by a watcher that dies after so many changes on disk, and its successor if it did."""
    try:
        with killed_after(killed):
            watcher.look(0)
    except NotHeard:
        pass
    except Killed:
        return new_watcher(site, spool)
    return watcher


sessions = st.sampled_from([f"{start}-{port}" for start in (7, 8, 9) for port in (1, 2)])
happenings = st.builds(Note, st.booleans(), sessions)
notes = st.one_of(happenings, st.just(Note(False, "")))


@given(noted=notes, newer=happenings)
@settings(max_examples=examples(60))
def test_hook_and_watcher_have_the_same_rule(noted: Note, newer: Note) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Spool(Path(directory))
        note = Path(directory, "wanted", UUID)
        note.write_text(str(noted))
        call_hook(Path(directory), "connect" if newer.connected else "disconnect", newer.session)
        assert note.read_text() == str(noted.merged_with(newer))


@given(older=notes, noted=notes, newer=happenings)
def test_taking_a_note_between_two_events_changes_nothing(older: Note, noted: Note, newer: Note) -> None:
    """The hook may read a note that is taken before it writes."""
    assert noted.merged_with(noted.merged_with(newer)) == noted.merged_with(newer)
    assert older.merged_with(noted).merged_with(noted) == older.merged_with(noted)


def test_a_note_reads_as_it_is_written() -> None:
    for note in (Note(True, "7-1194"), Note(False, "7-1194"), Note(False, "")):
        assert Note.parse(str(note)) == note
    for text in ("", "connect", "connect 7\n", "connect 7-1194", "hello 7-1194\n"):
        assert Note.parse(text) is None


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../../escape"])
def test_a_name_that_is_none_for_a_file_is_passed_over(tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = call_hook(tmp_path, "connect", "7-1194", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(tmp_path.rglob("*")) == before


def test_the_hook_never_fails_the_tunnel(tmp_path: Path) -> None:
    assert call_hook(tmp_path / "missing", "connect", "7-1194").returncode == 0
    (tmp_path / "wanted").write_text("a file where a directory should be")
    failed = call_hook(tmp_path, "connect", "7-1194")
    assert failed.returncode == 0
    assert failed.stderr  # but OpenVPN's journal says so
    for arguments, told in (([], {}), ([tmp_path], {}), ([tmp_path], {"script_type": "up"})):
        assert subprocess.run([HOOK, *arguments], env=told, check=False, timeout=10).returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_leaves_the_note_before(tmp_path: Path) -> None:
    call_hook(tmp_path, "connect", "7-1194")
    draft = tmp_path / "wanted" / f".{UUID}"
    draft.symlink_to("/dev/full")
    assert call_hook(tmp_path, "disconnect", "7-1194").returncode == 0
    assert Spool(tmp_path).pending() == {UUID: Note(True, "7-1194")}


def test_rubbish_in_the_spool_stops_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    (tmp_path / "wanted" / "rubbish").write_text("hello")
    (tmp_path / "sending" / "older-rubbish").write_text("")
    call_hook(tmp_path, "connect", "7-1194")
    assert spool.pending() == {UUID: Note(True, "7-1194")}
    spool.sent([UUID])
    assert not spool.pending()
