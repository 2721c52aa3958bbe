# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.rulelang import check as checking
from sensor.rulelang.check import Names
from tests.unit.rulelang.conditions import checked, names, tree


def messages(text, known=None):
    """Return the messages of a condition's problems."""
    return [problem.message for problem in checked(text, known)[1].problems]


def test_all_mistakes_are_told():
    """The checker goes on after a mistake."""
    assert len(messages("proc.nmae = a and nothing and proc.pid = x and proc.name in lists")) == 4


def test_suggestions():
    """Misspelt fields, macros and lists get the nearest name."""
    known = names({"spawned_process": "evt.type=execve"}, {"shell_binaries": ("sh",)})
    hints = [problem.hint for problem in checked("proc.nmae = a and spawned_proces and proc.name in shell_binary", known)[1].problems]
    assert hints == ["perhaps proc.name", "perhaps spawned_process", "perhaps shell_binaries"]


def test_macros_that_use_themselves():
    """A circle of macros is told with its members."""
    assert "a → b → a" in messages("a", names({"a": "b", "b": "a"}))[0]


def test_lists_that_contain_each_other():
    """A circle of lists is a mistake; a list with its own name among its items is not."""
    assert "contains itself" in messages("proc.name in (x)", names(lists={"x": ("y",), "y": ("x",)}))[0]
    assert tree("proc.name in (sh)", names(lists={"sh": ("sh", "bash")})).values == (b"sh", b"bash")


def test_a_macro_bomb_is_refused(monkeypatch):
    """Macros that double with every line are refused by their size, in time linear in the text."""
    monkeypatch.setattr(checking, "MAX_LEAVES", 1000)
    bomb = {"m0": "proc.name = a"} | {f"m{n}": f"m{n - 1} and m{n - 1}" for n in range(1, 60)}
    assert "1000" in messages("m59", names(bomb))[0]


def test_a_list_bomb_is_refused(monkeypatch):
    """Lists of lists are bounded too."""
    monkeypatch.setattr(checking, "MAX_VALUES", 1000)
    bomb = {"l0": ("a", "b")} | {f"l{n}": (f"l{n - 1}", f"l{n - 1}") for n in range(1, 60)}
    assert "more than 1000 items" in messages("proc.name in (l59)", names(lists=bomb))[0]


def test_fields_that_are_not_filled_are_limitations():
    """The leaf says so, and it is no problem; a fraction neither, where Falco has one."""
    assert tree("proc.fdusage > 0.5").limitation == "proc.fdusage is not filled by this build"
    assert tree("fd.containername = root").limitation == "fd.containername is not filled by this build"
    assert tree("proc.name = val(fd.containername)").limitation == "fd.containername is not filled by this build"
    assert tree('concat(proc.name, fd.containername) = "x"').limitation == "fd.containername is not filled by this build"


def test_unknown_events_are_warned_about():
    """A misspelt event type is probably a mistake."""
    assert "opennat" in checked("evt.type = opennat")[1].warnings[0].message
    assert checked("evt.type = opennat")[1].warnings[0].hint == "perhaps openat"


def test_something_like_a_list_is_warned_about():
    """A value that is almost a list's name."""
    known = names(lists={"shell_binaries": ("sh",)})
    assert checked("proc.name in (shell_binarie)", known)[1].warnings[0].hint == "perhaps shell_binaries"


def test_a_macro_is_checked_once():
    """A mistake in a macro is told once, however often the macro is used."""
    known = names({"m": "proc.nmae = a"})
    assert len(messages("m and m or m", known)) == 1


def test_a_macro_named_like_a_list():
    """The message says what the name is."""
    assert checked("shells", names(lists={"shells": ()}))[1].problems[0].hint == "it is a list, not a macro"


def test_names_that_look_like_code_are_texts():
    """Hostile constants end up as bytes."""
    assert tree("proc.name = '__import__(\\'os\\')'", Names()).values == (b"__import__('os'",)
