"""What is shown for which status."""

from __future__ import annotations

from pytest_django import Settings

from devices.rules.vocabulary import Status, behind, shown, vocabulary


def test_the_simple_vocabulary_folds_where_a_status_is_shown(settings: Settings) -> None:
    assert vocabulary() == list(Status)
    assert [behind(status) for status in Status] == [[status] for status in Status]
    settings.SIMPLE_STATUSES = True
    assert [status.label for status in vocabulary()] == [
        "Online",
        "Offline",
        "Configuring",
        "Updating",
        "Post Provisioning",
        "Inactive",
    ]
    assert shown(Status.VPN_ONLY) == shown(Status.HEARTBEAT_ONLY) == Status.ONLINE
    assert shown(Status.FROZEN) == Status.INACTIVE
    assert behind(Status.ONLINE) == [Status.ONLINE, Status.VPN_ONLY, Status.HEARTBEAT_ONLY]
    assert behind(Status.INACTIVE) == [Status.INACTIVE, Status.FROZEN]
