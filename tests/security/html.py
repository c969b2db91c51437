"""What an HTML page could run, send or load, read as a browser would read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

# Attributes that hold an address, by which a page loads, leads or sends.
ADDRESSES: Final = {"href", "src", "action", "formaction", "poster", "data", "hx-get", "hx-post", "srcset"}
FIELDS: Final = {"input", "select", "textarea", "button"}
HTMX_THAT_RUNS: Final = ("hx-vals", "hx-vars", "hx-headers")


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)  # what it sends as it stands
    names: set[str] = field(default_factory=set)  # of all that it could send


class Html(HTMLParser):
    """One page: what is inline in it, where its addresses lead, and its forms."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.inline: list[str] = []
        self.addresses: list[str] = []
        self.forms: list[Form] = []
        self.texts: list[str] = []
        self._inside = self._select = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self._inside = tag if tag in {"script", "style"} else ""
        self.inline += [f"{tag} {name}" for name in attributes if runs(name, attributes[name])]
        if tag in {"base", "object", "embed", "iframe"} or "http-equiv" in attributes:
            self.inline.append(tag)
        self.addresses += [value for name, value in attributes.items() if name in ADDRESSES and value]
        if tag == "form":
            self.forms.append(Form(attributes.get("action", ""), attributes.get("method", "get").lower()))
        elif self.forms:
            self._fill(self.forms[-1], tag, attributes)

    def _fill(self, form: Form, tag: str, attributes: dict[str, str]) -> None:
        if tag == "option" and ("selected" in attributes or self._select not in form.fields):
            form.fields[self._select] = attributes.get("value", "")
        elif tag in FIELDS and attributes.get("name"):
            form.names.add(attributes["name"])
            self._select = attributes["name"]
            chosen = "checked" in attributes or attributes.get("type") not in {"radio", "checkbox"}
            if tag in {"input", "textarea"} and chosen:
                form.fields[attributes["name"]] = attributes.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside and data.strip():
            self.inline.append(f"{self._inside}: {data.strip()[:80]}")
        elif not self._inside:
            self.texts.append(data)

    def form_with(self, name: str) -> Form:
        """The form that has a field of this name."""
        found = [form for form in self.forms if name in form.names]
        assert found, f"no form has {name}: {' '.join(' '.join(self.texts).split())}"
        return found[0]


def runs(name: str, value: str) -> bool:
    """Whether an attribute holds style or script."""
    return (
        name == "style"
        or name.startswith(("on", "hx-on"))
        or (name.startswith(HTMX_THAT_RUNS) and value.startswith("js:"))
        or value.strip().lower().startswith(("javascript:", "data:", "vbscript:"))
    )
