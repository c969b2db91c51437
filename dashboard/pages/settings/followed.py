"""Account, Notifications, one organization: of which alerts a person is mailed, by severity and by rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

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
from dashboard.templatetags.isolated import bdi
from devices.alerts import follows
from devices.alerts.wishes import Wishes, wishes_of
from devices.models import AlertRule, SavedView, Severity

CHOICES: Final = (("", "Where a step names my role"), ("always", "Always"), ("never", "Never"))
EMAIL: Final[dict[str, bool | None]] = {"": None, "always": True, "never": False}
NAMES: Final = {email: name for name, email in EMAIL.items()}


class FollowForm(forms.Form):
    """From which severity on mail is wanted, and a choice for each rule."""

    severity = forms.ChoiceField(
        label="Mail me every incident of rules that are",
        choices=(("", "None"), *((value, f"{label} or worse") for value, label in Severity.choices)),
        required=False,
        widget=forms.Select(CONTROL),
        help_text="Whether or not a step names my role. A choice for a rule below comes first.",
    )

    views = forms.MultipleChoiceField(
        label="Mail me every incident with a device in these saved views",
        required=False,
        widget=forms.CheckboxSelectMultiple(CHECK),
    )

    def __init__(
        self, rules: Sequence[AlertRule], views: Sequence[SavedView], wishes: Wishes, data: Any
    ) -> None:
        chosen = [str(view.uuid) for view in views if view.pk in wishes.views]
        super().__init__(data, initial={"severity": wishes.severity, "views": chosen})
        self._rules, self._views = rules, {str(view.uuid): view for view in views}
        self.fields["views"].choices = [(str(view.uuid), view.name) for view in views]  # type: ignore[attr-defined]
        for rule in rules:
            self.fields[str(rule.uuid)] = forms.ChoiceField(
                label=bdi(rule.name),
                choices=CHOICES,
                required=False,
                widget=forms.Select(CONTROL),
                initial=NAMES[wishes.rules.get(rule.pk)],
            )

    @property
    def of_rules(self) -> list[forms.BoundField]:
        """The fields of the rules, in order."""
        return [self[str(rule.uuid)] for rule in self._rules]

    def save(self, request: HttpRequest, wishes: Wishes) -> None:
        """Write what differs from `wishes`."""
        user = person(request)
        for rule in self._rules:
            email = EMAIL[self.cleaned_data[str(rule.uuid)]]
            if email != wishes.rules.get(rule.pk):
                follows.follow(actor=user, organization=rule.organization, rule=rule, email=email)

    @property
    def chosen_views(self) -> list[SavedView]:
        """The views that the valid values name."""
        return [self._views[uuid] for uuid in self.cleaned_data["views"]]


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
            form.save(request, wishes)
            severity = form.cleaned_data["severity"]
            if severity != wishes.severity:
                follows.follow_severity(actor=user, organization=own.organization, severity=severity)
            if {view.pk for view in form.chosen_views} != wishes.views:
                follows.follow_views(actor=user, organization=own.organization, views=form.chosen_views)
        messages.success(request, "Your notifications are saved.")
        return redirect("account-notifications")
    more = {"form": form, "organization": own.organization, "nothing": wishes.nothing}
    return render(request, "account/followed.html", context(request, "notifications") | more)
