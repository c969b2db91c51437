"""What was acknowledged is there, and there once, whatever is killed: real processes, counted afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from tests.devices.ingest.real_site import PATIENCE, Site, Told, check, load


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(PATIENCE)


def test_a_killed_ingest_process_loses_nothing_acknowledged(site: Site) -> None:
    processes = [site.serve()]

    def kill_and_replace(told: Told) -> None:
        processes[0].kill()
        processes[0].wait(PATIENCE)
        processes.append(site.serve())

    told = load(site, kill_and_replace)
    end(processes[-1])
    assert told.failed
    check(site, told)


def test_a_killed_database_loses_nothing_acknowledged_and_needs_no_restart(site: Site) -> None:
    process = site.serve()

    killed = postmaster(site)
    told = load(site, lambda _: os.kill(killed, signal.SIGKILL))
    check(site, told)
    assert postmaster(site) != killed
    began = time.monotonic()
    while not site.answers():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.1)
    after = load(site)
    end(process)
    assert not after.refused
    assert not after.failed
    check(site, after)


def postmaster(site: Site) -> int:
    return int((site.state / "postgres/data/postmaster.pid").read_text().splitlines()[0])


def test_a_full_queue_refuses_at_once_and_keeps_what_it_accepted(site: Site) -> None:
    process = site.serve(queue=24 * 1024)  # some twenty calls
    told = load(site)
    end(process)
    assert told.refused
    check(site, told)


def test_a_graceful_stop_answers_what_it_accepted(site: Site) -> None:
    process = site.serve()

    def stop(told: Told) -> None:
        process.terminate()
        process.wait(PATIENCE)

    told = load(site, stop)
    assert process.returncode in (0, -signal.SIGTERM)
    check(site, told)
