"""Reading what a scrape tells, as a monitoring does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Samples = dict[tuple[str, Labels], float]


def samples(text: str) -> Samples:
    """Every sample of a scrape by its name and its labels."""
    return flat(text_string_to_metric_families(text))


def flat(metrics: Iterable[Any]) -> Samples:
    """Every sample of these metrics by its name and its labels; none may be there twice."""
    found = [
        ((sample.name, frozenset(sample.labels.items())), sample.value)
        for metric in metrics
        for sample in metric.samples
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def one(found: Samples, name: str, /, **labels: str) -> float:
    """The value of the sample with this name and exactly these labels."""
    return found[name, frozenset(labels.items())]


def total(found: Samples, name: str, /, **labels: str) -> float:
    """The sum of all samples with this name and these labels among theirs."""
    wanted = labels.items()
    return sum(
        value for (known, having), value in found.items() if known == name and wanted <= dict(having).items()
    )
