# SPDX-License-Identifier: Apache-2.0
"""The shape of modules: size, docstrings, a test file each."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.repo import tree

LONG_LINES = 400
TOO_LONG_LINES = 500

# Modules without a unit test of their own: where they are proven instead, and why there.
EXEMPT: dict[str, tuple[str, str]] = {
    f"sensor/events/kinds/{kind}.py": ("tests/unit/events/test_registry.py", "data; one table there has every kind's members")
    for kind in ("connect", "exec", "exit", "flood", "open")
}


def mirror(path: Path) -> Path:
    """Return where a module's unit test belongs: sensor/core/log.py → tests/unit/core/test_log.py."""
    below = path.parent.relative_to("sensor") if path.parts[0] == "sensor" else path.parent
    return Path("tests/unit", below, f"test_{path.name}")


def size_problem(path: Path, source: str) -> str:
    """Return what is wrong with a module's length, or nothing."""
    lines = len(source.splitlines())
    if lines > TOO_LONG_LINES:
        return f"{path}: {lines} lines; {TOO_LONG_LINES} is the most"
    if lines > LONG_LINES and "long because" not in re.sub(r"\s+", " ", ast.get_docstring(ast.parse(source)) or "").lower():
        return f'{path}: {lines} lines; above {LONG_LINES} the docstring says "long because …"'
    return ""


def init_problem(path: Path, source: str) -> str:
    """Return what is wrong with an ``__init__.py``, which holds a docstring and nothing else."""
    body = ast.parse(source).body
    return "" if len(body) == 1 and ast.get_docstring(ast.parse(source)) else f"{path}: holds more or less than a docstring"


def test_modules_are_short():
    """No Python file has more than 500 lines, and one of more than 400 says why."""
    paths = [path for path in tree.files() if path.suffix == ".py"]
    assert [problem for path in paths if (problem := size_problem(path, tree.text(path)))] == []


def test_init_holds_a_docstring_only():
    """An ``__init__.py`` says what its package is for and does nothing."""
    paths = [path for path in tree.modules() if path.name == "__init__.py"]
    assert [problem for path in paths if (problem := init_problem(path, tree.text(path)))] == []


def test_every_folder_with_modules_is_a_package():
    """A folder of modules has an ``__init__.py``, or it would not be installed."""
    assert [str(folder) for folder in {path.parent for path in tree.modules()} if not (tree.ROOT / folder / "__init__.py").is_file()] == []


def test_modules_have_a_docstring():
    """Every module of what is shipped says why it exists."""
    assert [str(path) for path in tree.modules() if not ast.get_docstring(ast.parse(tree.text(path)))] == []


def test_modules_have_their_test_file():
    """Every module has tests/unit/<package>/test_<module>.py, or a place in EXEMPT."""
    expected = [path for path in tree.modules() if path.name != "__init__.py" and path.as_posix() not in EXEMPT]
    assert [f"{path}: no {mirror(path)}" for path in expected if not (tree.ROOT / mirror(path)).is_file()] == []


def test_exemptions_are_in_use():
    """An exemption names a module that exists and has no mirror, a proof that exists, and a reason."""
    for module, (proof, reason) in EXEMPT.items():
        assert (tree.ROOT / module).is_file(), module
        assert (tree.ROOT / proof).is_file(), proof
        assert not (tree.ROOT / mirror(Path(module))).exists(), module
        assert reason, module


def test_the_shape_checks_see():
    """The checks themselves: one line too many, a missing reason, code in an ``__init__``."""
    path = Path("sensor/x/__init__.py")
    assert size_problem(path, "\n" * 500) != ""
    assert size_problem(path, "\n" * 501).endswith("500 is the most")
    assert size_problem(path, '"""It is long\nbecause …"""' + "\n" * 450) == ""
    assert size_problem(path, "\n" * 400) == ""
    assert init_problem(path, '# SPDX\n"""Doc."""\n') == ""
    assert init_problem(path, '"""Doc."""\nx = 1\n')
    assert init_problem(path, "")
    assert mirror(Path("sensor/cli.py")) == Path("tests/unit/test_cli.py")
    assert mirror(Path("contract/finding.py")) == Path("tests/unit/contract/test_finding.py")
