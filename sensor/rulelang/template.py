# SPDX-License-Identifier: Apache-2.0
"""
Output templates: a rule's message with ``%field`` where the event's values go.

A value is text in the form findings carry (`sensor.core.escape.lossless`); what
the event does not have, or this build cannot fill, is ``<NA>``. A ``*`` in front
of the template, with which Falco's own templates may begin, changes nothing:
a missing value never suppresses a message here.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

from sensor.core.escape import lossless
from sensor.rulelang import fields
from sensor.rulelang.values import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sensor.rulelang.ast import Source
    from sensor.rulelang.check import Report
    from sensor.rulelang.fields import FieldSpec
    from sensor.rulelang.getters import Getter

MISSING = "<NA>"
CONTAINER_INFO = "container_id=%container.id container_name=%container.name"
"""What Falco's ``%container.info`` stands for."""

_FIELD = re.compile(r"%(\*?)([A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)(?:\[([^\]]*)\])?")


class Template:
    """A compiled template."""

    __slots__ = ("_parts", "asks", "quotes", "wants_images")

    def __init__(self, parts: tuple[str | Callable[[Any], str], ...], used: Iterable[FieldSpec] = ()) -> None:
        self._parts = parts
        specs = tuple(used)
        self.asks = any(spec.asked for spec in specs)
        """Something in it has to be asked for while the act is fresh (`FieldSpec.asked`)."""
        self.wants_images = any(spec.is_of_image for spec in specs)
        """It shows what other processes run."""
        self.quotes = any(spec.quotes for spec in specs)
        """It shows arguments of other processes than the one that acted."""

    def render(self, event: Any) -> str:
        """Return the message for *event*."""
        return "".join(part if isinstance(part, str) else part(event) for part in self._parts)


def compile_template(source: Source, report: Report) -> Template:
    """Return the template of *source*; fields that no table knows are problems, fields that cannot be filled are warnings."""
    text = source.text.removeprefix("*")
    shift = len(source.text) - len(text)
    parts: list[str | Callable[[Any], str]] = []
    used: list[FieldSpec] = []
    at = 0
    for found in _FIELD.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        name, argument = found[2], found[3]
        if name == "container.info":
            parts += _container_info()
            continue
        if "." not in name:  # a percent sign in front of a word
            parts.append(found[0])
            continue
        known = fields.find(name, argument)
        if known is None:
            report.problems.append(source.problem(found.start() + shift + 1, f"no field is called {name!r}", report.suggestions.hint(name, fields.FIELDS)))
            continue
        spec, left = known
        getter = spec.get
        if left is not None and spec.indexed and left.isascii() and left.isdigit() and len(left) < 4:  # noqa: PLR2004  # as the checker has it
            getter = spec.indexed(int(left))
        elif left is not None and spec.keyed:
            getter = spec.keyed(left)
        if not spec.filled or getter is None:
            report.warnings.append(source.problem(found.start() + shift + 1, f"{name} is not filled by this build and prints {MISSING}"))
            parts.append(MISSING)
            continue
        parts.append(_printer(getter, spec.kinds))
        used.append(spec)
    parts.append(text[at:])
    return Template(tuple(part for part in parts if part != ""), used)


def _container_info() -> list[str | Callable[[Any], str]]:
    parts: list[str | Callable[[Any], str]] = []
    for name in ("container.id", "container.name"):
        spec = fields.FIELDS[name]
        assert spec.get is not None  # noqa: S101  # the table fills it
        parts += [f"{' ' if parts else ''}{name.replace('.', '_')}=", _printer(spec.get, spec.kinds)]
    return parts


def _printer(getter: Getter, kinds: frozenset[str]) -> Callable[[Any], str]:
    def text(event: Any) -> str:
        return printed(getter(event)) if event.kind_name in kinds else MISSING

    return text


def printed(value: Any) -> str:  # noqa: PLR0911  # one return for each kind of value
    """Return a field's value as a message shows it; what is known of a cut value follows an ellipsis, what is likeliest of a few precedes a question mark."""
    if value is None:
        return MISSING
    if isinstance(value, bytes):
        return lossless(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Unknown):
        if value.among:
            return printed(value.among[0]) + "?"
        return "…" + lossless(value.suffix) if value.suffix else MISSING
    if isinstance(value, tuple):
        if len(value) == 2 and isinstance(value[0], bool):  # noqa: PLR2004  # an address: is it IPv6, the number
            address = IPv6Address(value[1])
            return str(address.ipv4_mapped or address)
        return ",".join(printed(one) for one in value)
    return str(value)
