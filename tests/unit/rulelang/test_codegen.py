# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import linecache
import re
import traceback

import pytest

from sensor.rulelang.codegen import compile_condition
from sensor.rulelang.links import no_closures
from sensor.rulelang.optimize import for_kind, normalize
from tests.unit.events_factory import make_event
from tests.unit.rulelang.conditions import tree


def compiled(text, kind="open"):
    """Return the function of a condition."""
    return compile_condition(for_kind(normalize(tree(text), no_closures), kind), "test rule")


def test_user_text_is_not_in_the_source():
    """Whatever a rule says, the source has numbered names and rows of the operator table only."""
    source = compiled("proc.name in ('x); import os', \"\\\"\\\"\\\"\") and proc.cmdline contains '__class__' and fd.name glob '*\\\\n*'").source
    assert re.fullmatch(r"(?:[ ]*(?:def match\(event\):|v\d+ = g\d+\(event\)|if not .*:|return (?:True|False))\n)+", source)
    assert "import" not in source
    assert "__class__" not in source.replace(".__class__ is Unknown", "")


def test_a_field_is_read_once():
    """However often a condition tests it."""
    source = compiled("proc.name = a or (proc.name = b and not proc.name = c)").source
    assert source.count("(event)") - source.count("def match(event)") == 1


def test_tracebacks_show_the_lines():
    """The source stands in linecache under the rule's name."""
    function = compiled("proc.name = a")
    event = make_event("open")
    del event.comm
    with pytest.raises(AttributeError) as caught:
        function.match(event)
    assert "v0 = g0(event)" in "".join(traceback.format_exception(caught.value))
    assert linecache.getlines("<rule testrule>")


def test_constants_alone():
    """A condition that is decided has a function too."""
    assert compiled("evt.dir = <").match(make_event("open"))
    assert not compiled("evt.dir = >").match(make_event("open"))
