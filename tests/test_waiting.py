"""No test sleeps for a fixed time or judges by a stopwatch: what happens elsewhere is waited for, patiently.

A pause inside a loop is between two looks. All others are named here, with what they wait for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parent
PAUSES: Final = {"sleep", "wait_for_timeout"}
STOPWATCHES: Final = {"monotonic", "perf_counter"}
MEASURING: Final = {"bench", "pictures", "system"}  # are no tests, or take what a machine does in its time
ALLOWED: Final = {  # files, and why
    "browser/test_live.py": "a paused page asks nothing meanwhile",
    "browser/test_push.py": "changes come at different moments between two refreshes",
    "dashboard/test_postgres.py": "nobody ends the server meanwhile",
    "devices/alerts/mail_server.py": "a slow mail server is slow",
    "devices/ingest/real_site.py": "a load goes on for a while",
    "devices/ingest/relay/test_fronts.py": "an API takes its time, and a load goes on for a while",
    "devices/ingest/test_group_commit.py": "nobody is answered meanwhile",
    "devices/simulator/test_site.py": "virtual devices live for a while",
    "devices/simulator/test_vpn.py": "a server that is silent says nothing meanwhile",
    "devices/vpn/test_real_openvpn.py": "OpenVPN notices nothing meanwhile that ends the link",
    "security/test_half_closed.py": "that nothing more is sent has no sign of its own",
    "security/test_limits.py": "that somebody left has no sign of its own",
    "security/test_slow_clients.py": "the caller reads nothing meanwhile",
}


def test_nobody_sleeps_for_a_fixed_time_or_reads_a_stopwatch() -> None:
    files = {str(path.relative_to(TESTS)): path for path in TESTS.rglob("*.py")}
    found = {
        name: lines
        for name, path in files.items()
        if name.partition("/")[0] not in MEASURING and (lines := list(fixed(ast.parse(path.read_text()))))
    }
    assert {name: lines for name, lines in found.items() if name not in ALLOWED} == {}
    assert found.keys() == ALLOWED.keys()


def fixed(tree: ast.AST, *, looped: bool = False) -> Iterator[int]:
    """The lines that pause, or take the difference to a moment before, outside of any loop."""
    for node in ast.iter_child_nodes(tree):
        if not looped and isinstance(node, ast.expr) and (pauses(node) or measures(node)):
            yield node.lineno
        yield from fixed(node, looped=looped or isinstance(node, ast.While | ast.For | ast.AsyncFor))


def pauses(node: ast.AST) -> bool:
    """Calls a sleep that takes time."""
    return named(node) in PAUSES and ast.unparse(node).partition("(")[2] != "0)"


def measures(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and named(node.left) in STOPWATCHES


def named(node: ast.AST) -> str:
    """The name of the function that is called."""
    function = getattr(node, "func", None)
    return str(getattr(function, "attr", getattr(function, "id", "")))
