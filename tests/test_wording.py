"""The words that people read, on every page, in mails, sentences, scripts and documents.

The words are listed in CONTRIBUTING.md. A word that stands here for a reason is in ALLOWED, with the reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Field, Model

from devices.words import plural

ROOT: Final = Path(__file__).parent.parent
HOUSES: Final = ("dashboard", "devices", "fleets")
# What is not said, and what is said instead.
NOT_SAID: Final = {
    r"mend(s|ed|ing)?": "fix",
    r"hea(r|rs|rd) (from|of)": "contacted, reported",
    r"mak(e|es|ing) (a|an|another|new|the|its|their) (first )?(\w+ )?"
    r"(accounts?|codes?|devices?|fleets?|keys?|links?|months?|ones?|organizations?|roles?|views?)": "create",
    r"mak(e|es) (it|them|one|another) (here|anew)": "create",
    r"(is|are|was|were|be|been|cannot be) made( (meanwhile|here|from|afterwards))?": "created",
    r"made (up|anew)": "generated, created again",
    r"anew": "again",
    r"any ?more": "no longer",
    r"(accepted|needed|registers?|works?|good|in|out) no more": "no longer",
    r"who(m)?ever|by whom": "anyone who",
    r"(?<=[.:;] )who (asks?|can|finds?|ha[ds]|knows?|learns?|loses|lost|reads?|wants?)": "anyone who",
    r"nothing is concluded": "statuses were not changed",
    r"(lies|leads) (ahead|nowhere)": "in the future; does not work",
    r"(is|are|was|were) good (for|until)": "works",
    r"(which|what|who) .{1,20} go(es)? by": "are used for",
    r"stands? (last|first) in line|last in line": "at the end of the queue",
    r"has no faults": "no errors found",
    r"signs? of life": "life sign",
    r"passed over": "ignored",
    r"culprits?": "faulty",
    r"dated ahead": "in the future",
    r"confirms? (to have|having)": "confirms that it has arrived",
    r"weakness(es)?": "vulnerability",
    r"(sorted|written|read) alike": "the same way",
    r"in no case": "never",
}
# Plural forms that no word has.
NOT_PLURAL: Final = r"[a-z]{2,}[bcdfghjklmnpqrstvwxz]ys|[a-z]+eses|[a-z]+(ss|ch|sh|x)s"
ALLOWED: Final = {
    "what a thing consists of": r"(it|text) is made of",
    "what becomes of a device": r"makes? (a|the) (fleet Offline|device connected|devices of this Online)",
    "a key that is computed": r"key made (with it|from)",
}
NOT_A_SENTENCE: Final = re.compile(r"^\s*(SELECT|WITH|UPDATE|INSERT|DELETE|CASE|WHERE|AND|FROM|LOCK|SET)\b")


def page_words(path: Path) -> Iterator[str]:
    """What a template says, with the attributes that are read aloud."""
    html = re.sub(r"\{#.*?#\}|\{% comment.*?endcomment %\}", " ", path.read_text(), flags=re.DOTALL)
    yield from re.findall(r'(?:title|aria-label|placeholder|data-copy-done)="([^"]*)"', html)
    yield from (
        said
        for tag in re.findall(r"\{[%{].*?[%}]\}", html)
        for said in re.findall(r"'([^'{}]* [^'{}]*)'", tag)
    )
    yield re.sub(r"\s+", " ", re.sub(r"<[^<>]*>|\{%.*?%\}|\{\{.*?\}\}", " ", html, flags=re.DOTALL))


def sentences(path: Path) -> Iterator[str]:
    """Strings of a module that have a space, without documentation and SQL."""
    tree = ast.parse(path.read_text())
    told = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    constants = (each for each in ast.walk(tree) if isinstance(each, ast.Constant) and id(each) not in told)
    for said in (each.value for each in constants if isinstance(each.value, str)):
        if " " in said.strip() and not NOT_A_SENTENCE.match(said):
            yield re.sub(r"\s+", " ", said)


def script_words(path: Path) -> Iterator[str]:
    """What a script of ours puts on a page."""
    code = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
    yield from (said for said in re.findall(r"""["'`]([^"'`\n]*)["'`]""", code) if " " in said.strip())


def document_words(path: Path) -> Iterator[str]:
    """What a document says, without its code."""
    text = re.sub(r"```[\s\S]*?```|^    .*$|`[^`\n]*`", " ", path.read_text(), flags=re.MULTILINE)
    yield re.sub(r"\s+", " ", text)


def own_models() -> list[type[Model]]:
    return [model for house in HOUSES for model in apps.get_app_config(house).get_models()]


def labels() -> Iterator[tuple[str, str]]:
    """What Django's admin says of our models and their fields, and of which."""
    for model in own_models():
        yield str(model), f"{model._meta.verbose_name}. {model._meta.verbose_name_plural}."
        for field in model._meta.get_fields():
            if isinstance(field, Field):
                yield str(field), f"{field.verbose_name}. {field.help_text}"


def texts() -> Iterator[tuple[str, str]]:
    """Every text that people read, and where it is."""
    modules = (path for house in HOUSES for path in (ROOT / house).rglob("*.py"))
    readers: list[tuple[Callable[[Path], Iterator[str]], Iterable[Path]]] = [
        (page_words, (path for path in (ROOT / "templates").rglob("*.*") if path.is_file())),
        (sentences, (path for path in modules if "migrations" not in path.parts)),
        (script_words, (ROOT / "static").glob("*.js")),
        (document_words, [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]),
    ]
    for reader, paths in readers:
        for path in sorted(paths):
            for text in reader(path):
                yield str(path.relative_to(ROOT)), text
    yield from labels()


def allowed(text: str) -> str:
    for pattern in ALLOWED.values():
        text = re.sub(pattern, "", text)
    return text


@cache
def texts_to_check() -> list[tuple[str, str]]:
    """All texts, without what is allowed; read once for all patterns."""
    return [(where, allowed(text)) for where, text in texts()]


def found(pattern: str) -> list[str]:
    """Where a pattern is said, each with what is around it."""
    word = re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])", re.IGNORECASE)
    return [
        f"{where}: …{text[max(0, hit.start() - 40) : hit.end() + 40]}…"
        for where, text in texts_to_check()
        for hit in word.finditer(text)
    ]


@pytest.mark.parametrize("pattern", NOT_SAID)
def test_what_nobody_says_is_not_said(pattern: str) -> None:
    assert not (places := found(pattern)), f"say {NOT_SAID[pattern]}:\n" + "\n".join(places)


def test_labels_of_models_write_abbreviations_as_people_do() -> None:
    wrong = re.compile(r"\b(api|ip|mac|os|uuid|vpn)\b")
    shown = [model for model in own_models() if admin.site.is_registered(model)]
    names = [str(model._meta.verbose_name_plural) for model in shown]
    names += [str(field.verbose_name) for model in shown for field in model._meta.concrete_fields]
    assert "API keys" in names
    assert [name for name in names if wrong.search(name)] == []


def test_help_texts_of_models_are_sentences() -> None:
    fields = (field for model in own_models() for field in model._meta.concrete_fields)
    helped = [(str(field), str(field.help_text)) for field in fields if field.help_text]
    assert helped
    assert [item for item in helped if not re.fullmatch(r"[A-Z][^:;]*\.", item[1])] == []


def test_plural_forms_are_right() -> None:
    assert not (places := found(NOT_PLURAL)), "\n".join(places)


@pytest.mark.parametrize(
    ("noun", "more"),
    [("Fleet", "Fleets"), ("Factory", "Factories"), ("Box", "Boxes"), ("Bus", "Buses"), ("Bay", "Bays")],
)
def test_a_site_may_choose_any_noun(noun: str, more: str) -> None:
    assert plural(noun) == more


def test_the_patterns_find_what_they_are_for() -> None:
    said = "It was made up anew. Who hears from it mends deviceses and entrys and makes a key, works no more."
    assert sum(bool(re.search(rf"\b({pattern})\b", said)) for pattern in [*NOT_SAID, NOT_PLURAL]) >= 7
