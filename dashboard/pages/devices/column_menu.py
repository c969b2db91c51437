"""The menu of columns of a list, and storing a person's choice for all lists."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from dashboard.account.people import choose_columns
from dashboard.http.scope import person, signed_in
from dashboard.pages.devices.columns import ALWAYS, DEFAULT, MOST, chosen, column_words
from dashboard.pages.parts.address import address
from dashboard.pages.parts.sort_links import Choice


@dataclass(frozen=True)
class Columns:
    """The shown columns, and the menu: each column with the address that adds or removes it."""

    shown: tuple[str, ...]
    choices: list[Choice]
    full: bool  # no other column fits
    usual: str | None  # the address without the parameter of columns; None if it has none
    own: bool  # whether the person has chosen these columns for all lists

    @property
    def place(self) -> dict[str, str]:
        """The CSS class of each column, by which the last ones are hidden first on narrow windows.

        Default columns need none, as the stylesheet has rules for them.
        """
        if self.tuned:
            return dict.fromkeys(self.shown, "")
        return {name: f"k{number}" for number, name in enumerate(self.shown, 1)}

    @property
    def span(self) -> int:
        """The number of cells of a row after its name."""
        return 2 + len(self.shown)

    @property
    def tuned(self) -> bool:
        """Whether they are the default columns, whose widths the stylesheet sets."""
        return self.shown in {DEFAULT, DEFAULT[1:]}


def column_choices(request: HttpRequest, shown: tuple[str, ...], *, of_one_fleet: bool) -> Columns:
    """The menu for these columns; a list of one fleet has no column of the fleet."""
    return Columns(
        shown=tuple(name for name in shown if not (of_one_fleet and name == "fleet")),
        choices=[
            Choice(words, address(request, columns=_toggled(shown, name)), name in shown)
            for name, words in column_words().items()
            if not (of_one_fleet and name == "fleet")
        ],
        full=len(shown) >= MOST,
        usual=address(request, columns=None) if request.GET.getlist("columns") else None,
        own=shown == (chosen(person(request).list_columns) or DEFAULT),
    )


def _toggled(shown: tuple[str, ...], name: str) -> list[str]:
    names = [column for column in (*shown, name) if not (column == name and name in shown)]
    return list(chosen(names)) or [ALWAYS]


@require_POST
@signed_in
def remember(request: HttpRequest) -> HttpResponse:
    """Store these columns for all lists of the person whose address has no columns."""
    choose_columns(user=person(request), columns=list(chosen(request.POST.getlist("columns"))))
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = reverse("devices:list")
    return HttpResponseRedirect(back)
