# SPDX-License-Identifier: Apache-2.0
"""What the tests owe their reader: a claim each, no waiting for time to pass."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.repo import tree

CLOCKS = {"time.sleep", "time.time", "datetime.now", "datetime.utcnow", "date.today"}
MAY_WAIT = ("bpf", "kernel", "rules", "cluster", "bench")  # these talk to a real kernel; bounded waits for an event are theirs to own
REASONED = {"skip", "skipif", "xfail"}  # importorskip names what it could not import


def test_files() -> list[Path]:
    """Return every file that pytest collects."""
    return [path for path in tree.under("tests") if path.name.startswith("test_")]


test_files.__test__ = False  # a helper, whatever its name


def without_claim(path: Path, source: str) -> list[str]:
    """Return the tests that have no docstring."""
    return [
        f"{path}:{node.lineno}: {node.name}"
        for node in ast.walk(ast.parse(source, str(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]


def clocks(path: Path, source: str) -> list[str]:
    """Return the calls that read the wall clock or sleep."""
    calls = (node for node in ast.walk(ast.parse(source, str(path))) if isinstance(node, ast.Call))
    return [f"{path}:{node.lineno}: {name}" for node in calls if any((name := ast.unparse(node.func)).endswith(clock) for clock in CLOCKS)]


def silent_skips(path: Path, source: str) -> list[str]:
    """Return the skips that do not say why."""
    calls = (node for node in ast.walk(ast.parse(source, str(path))) if isinstance(node, ast.Call | ast.Attribute))
    problems = []
    for node in calls:
        name = ast.unparse(node.func if isinstance(node, ast.Call) else node)
        if not name.startswith("pytest.") or name.split(".")[-1] not in REASONED:
            continue
        if isinstance(node, ast.Call) and not (node.keywords or (name == "pytest.skip" and node.args)):
            problems.append(f"{path}:{node.lineno}: {name} without a reason")
    return problems


def test_every_test_states_its_claim():
    """Every test has a docstring."""
    assert [problem for path in test_files() for problem in without_claim(path, tree.text(path))] == []


def test_tests_do_not_sleep_or_read_the_clock():
    """Tests that need no kernel own their time."""
    paths = [path for path in test_files() if path.parts[1] not in MAY_WAIT]
    assert [problem for path in paths for problem in clocks(path, tree.text(path))] == []


def test_skips_say_why():
    """A skip or an expected failure has a reason."""
    assert [problem for path in test_files() for problem in silent_skips(path, tree.text(path))] == []


def test_test_files_are_in_a_group():
    """A test file stands in a folder that ci/test knows, or it would never run."""
    script = tree.text(Path("ci/test"))
    assert [str(path) for path in test_files() if f"tests/{path.parts[1]}" not in script] == []


def test_the_checks_on_tests_see():
    """The checks themselves: a test without a claim, a nap, a skip without a word."""
    path = Path("tests/unit/test_x.py")
    assert without_claim(path, "def test_a():\n    pass\ndef helper():\n    pass") == ["tests/unit/test_x.py:1: test_a"]
    assert clocks(path, "import time\ntime.sleep(1)") == ["tests/unit/test_x.py:2: time.sleep"]
    assert clocks(path, "clock.now()") == []
    assert silent_skips(path, "pytest.skip()") == ["tests/unit/test_x.py:1: pytest.skip without a reason"]
    assert silent_skips(path, "pytest.skip('no BTF here')\n@pytest.mark.skipif(x, reason='no BTF')\ndef f(): ...") == []
