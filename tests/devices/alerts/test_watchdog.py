"""The watchdog: called each minute while alerts work, and only then."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings

from devices.alerts import watchdog
from devices.alerts.watchdog import Watchdog
from devices.models import AlertMessage, AlertTarget, Teller
from tests.devices.alerts.receivers import WebReceiver
from tests.devices.alerts.sending import MINUTE, T, make_message, make_target

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture
def called(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    settings.WATCHDOG_URL = "https://watchdog.example/x"
    calls: list[str] = []
    monkeypatch.setattr(watchdog, "call", calls.append)
    Teller.objects.update_or_create(pk=1, defaults={"concluded_at": T})
    return calls


def test_it_is_called_each_minute(called: list[str]) -> None:
    dog = Watchdog()
    looks = [dog.look(T + seconds * SECOND) for seconds in (0, 1, 29)]
    Teller.objects.update(concluded_at=T + MINUTE)
    looks += [dog.look(T + seconds * SECOND) for seconds in (59, 60, 61)]
    assert looks == [True, False, False, False, True, False]


def test_not_once_no_round_has_decided_for_30_s(called: list[str]) -> None:
    assert Watchdog().look(T + 29 * SECOND)
    assert not Watchdog().look(T + 30 * SECOND)


def test_not_while_a_message_waits_for_15_min(called: list[str]) -> None:
    message = make_message(make_target(), at=T - 15 * MINUTE)
    assert not Watchdog().look(T)
    AlertTarget.objects.update(state="paused")
    assert Watchdog().look(T)
    AlertTarget.objects.update(state="failing")
    AlertMessage.objects.filter(pk=message.pk).update(outcome="accepted", next_at=None)
    assert Watchdog().look(T)


def test_without_the_setting_nothing_is_asked(settings: Settings) -> None:
    settings.WATCHDOG_URL = ""
    assert not Watchdog().look(T)


def test_the_call(web: WebReceiver, settings: Settings) -> None:
    """Also inside, and by plain http: it is the site's own setting."""
    settings.TARGETS_PRIVATE, settings.TARGETS_PLAIN = [], False
    watchdog.call(f"{web.url}/ping")
    assert [(call.method, call.path) for call in web.calls] == [("GET", "/ping")]


def test_one_that_does_not_answer_is_logged(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    watchdog.call("https://127.0.0.1:1/")
    assert "the watchdog could not be called" in caplog.text
