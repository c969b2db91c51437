"""Account, Notifications, one organization: of which alerts a person is mailed, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from dashboard.account.pages import context
from dashboard.http.scope import person, signed_in
from dashboard.pages.parts.interval_form import CONTROL
from dashboard.pages.parts.own_organization import own_organization
from dashboard.pages.parts.scope_form import CHECK
from dashboard.pages.parts.silenced import say_silenced
from dashboard.templatetags.isolated import bdi
from devices.alerts import digests, follows
from devices.alerts.wishes import Wishes, wishes_of
from devices.models import AlertRule, Follow, SavedView, Severity
from fleets.models import Organization

if TYPE_CHECKING:
    from fleets.actor import Person

CHOICES: Final = (
    ("", "Where a step names my role"),
    ("always", "Always, as it happens"),
    ("daily", "Always, once a day"),
    ("never", "Never"),
)
EMAIL: Final[dict[str, bool | None]] = {"": None, "always": True, "daily": True, "never": False}
NAMES: Final = {None: "", True: "always", False: "never"}
HOUR: Final = 8  # of the digest, where none was chosen yet


def _menu(label: str, choices: Sequence[tuple[Any, str]], help_text: str = "") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        choices=choices,
        required=False,
        widget=forms.Select(CONTROL),
        help_text=help_text,
    )


class FollowForm(forms.Form):
    """From which severity on mail is wanted, and a choice for each rule."""

    severity = _menu(
        "Mail me every incident of rules that are",
        (("", "None"), *((value, f"{label} or worse") for value, label in Severity.choices)),
        "Whether or not a step names my role. A choice for a rule below comes first.",
    )
    severity_when = _menu("When mail of this severity is sent", Follow.Digest.choices)
    views = forms.MultipleChoiceField(
        label="Mail me every incident with a device in these saved views",
        required=False,
        widget=forms.CheckboxSelectMultiple(CHECK),
    )
    views_when = _menu("When mail of these saved views is sent", Follow.Digest.choices)
    hour = _menu("Hour of the daily e-mail", [(hour, f"{hour:02}:00") for hour in range(24)])

    def __init__(
        self, rules: Sequence[AlertRule], views: Sequence[SavedView], wishes: Wishes, data: Any
    ) -> None:
        chosen = [str(view.uuid) for view in views if view.pk in wishes.views]
        initial = {
            "severity": wishes.severity,
            "severity_when": _when(daily=wishes.severity_daily is not None),
            "views": chosen,
            "views_when": _when(daily=bool(wishes.views_daily)),
            "hour": HOUR if wishes.hour is None else wishes.hour,
        }
        super().__init__(data, initial=initial)
        self._rules, self._views = rules, {str(view.uuid): view for view in views}
        self.fields["views"].choices = [(str(view.uuid), view.name) for view in views]  # type: ignore[attr-defined]
        for rule in rules:
            field = self.fields[str(rule.uuid)] = _menu(bdi(rule.name), CHOICES)
            field.initial = "daily" if rule.pk in wishes.daily else NAMES[wishes.rules.get(rule.pk)]

    @property
    def of_rules(self) -> list[forms.BoundField]:
        """The fields of the rules, in order."""
        return [self[str(rule.uuid)] for rule in self._rules]

    def save(self, actor: Person, organization: Organization, wishes: Wishes) -> None:
        """Write what differs from `wishes`."""
        for rule in self._rules:
            chosen = self.cleaned_data[str(rule.uuid)]
            email, daily_at = EMAIL[chosen], self._hour(daily=chosen == "daily")
            if (email, daily_at) != (wishes.rules.get(rule.pk), wishes.daily.get(rule.pk)):
                follows.follow(
                    actor=actor, organization=organization, rule=rule, email=email, daily_at=daily_at
                )
        self._save_severity(actor, organization, wishes)
        self._save_views(actor, organization, wishes)

    def _save_severity(self, actor: Person, organization: Organization, wishes: Wishes) -> None:
        severity = self.cleaned_data["severity"]
        daily_at = self._hour(daily=bool(severity) and self._is_daily("severity_when"))
        if (severity, daily_at) != (wishes.severity, wishes.severity_daily):
            follows.follow_severity(
                actor=actor, organization=organization, severity=severity, daily_at=daily_at
            )

    def _save_views(self, actor: Person, organization: Organization, wishes: Wishes) -> None:
        views = [self._views[uuid] for uuid in self.cleaned_data["views"]]
        daily_at = self._hour(daily=self._is_daily("views_when"))
        daily = {} if daily_at is None else {view.pk: daily_at for view in views}
        if ({view.pk for view in views}, daily) != (wishes.views, wishes.views_daily):
            follows.follow_views(actor=actor, organization=organization, views=views, daily_at=daily_at)

    def _is_daily(self, field: str) -> bool:
        return bool(self.cleaned_data[field] == Follow.Digest.DAILY)

    def _hour(self, *, daily: bool) -> int | None:
        return int(self.cleaned_data["hour"] or HOUR) if daily else None


def _when(*, daily: bool) -> str:
    return Follow.Digest.DAILY if daily else Follow.Digest.NONE


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def followed(request: HttpRequest, organization: str) -> HttpResponse:
    """Show and save it; 404 to strangers."""
    own, user = own_organization(request, organization), person(request)
    rules = list(AlertRule.objects.filter(organization=own.organization).select_related("organization"))
    wishes = wishes_of(user.pk, own.organization.pk)
    views = list(SavedView.objects.visible_to(user, [own.organization]))
    form = FollowForm(rules, views, wishes, request.POST or None)
    if form.is_valid():
        with transaction.atomic():
            form.save(user, own.organization, wishes)
        messages.success(request, "Your notifications are saved.")
        say_silenced(request, [own.organization])
        return redirect("account-notifications")
    more = {
        "form": form,
        "organization": own.organization,
        "nothing": wishes.nothing,
        "zone": digests.zone_of(user),
    }
    return render(request, "account/followed.html", context(request, "notifications") | more)
