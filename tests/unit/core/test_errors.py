# SPDX-License-Identifier: Apache-2.0

import re

import pytest

from sensor.core import errors
from sensor.core.errors import DocumentError, ScoutError

CLASSES = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, ScoutError)]


def drawn():
    """Return what the docstring's tree says: each error, the error above it, the exit code beside it (if any)."""
    above, tree = [], {}
    for line in errors.__doc__.splitlines():
        if found := re.match(r"    ([│├└─ ]*)([A-Z]\w+)(?:.*\bexit (\d))?", line):
            depth = len(found[1]) // 4
            above[depth:] = [found[2]]
            tree[found[2]] = (above[depth - 1] if depth else "Exception", found[3])
    return tree


def test_the_tree_in_the_docstring_is_the_tree():
    """The drawing has every error below its parent."""
    assert {name: parent for name, (parent, _) in drawn().items()} == {error.__name__: error.__base__.__name__ for error in CLASSES}


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_an_exit_code_is_the_drawn_one(error):
    """An error ends the program with the code the drawing has for it or for the nearest error above."""
    tree, name = drawn(), error.__name__
    while tree[name][1] is None and tree[name][0] != "Exception":
        name = tree[name][0]
    assert error.exit_code == int(tree[name][1] or 1)


def test_an_error_says_what_to_do():
    """The message is the error's text; the hint and a document's problems stand beside it."""
    error = DocumentError("2 mistakes", problems=("a", "b"), hint="mend them")
    assert (str(error), error.hint, error.problems) == ("2 mistakes", "mend them", ("a", "b"))
