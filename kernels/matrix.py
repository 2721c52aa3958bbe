# SPDX-License-Identifier: Apache-2.0
"""
Read ``kernels/matrix.yaml``: which kernels Scout is tested on, and what each stands for.

Strict: an unknown or missing field, a wrong type or a value twice is an error,
and all errors are told at once, each with its line and column. What to do with
an entry is left to ``tests/kernel`` and `kernels.run`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MATRIX = Path(__file__).with_name("matrix.yaml")
SCHEMA = 1


class MatrixError(Exception):
    """The matrix has mistakes; ``problems`` has every one as ``name:line:column: text``."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixKernel:
    """One kernel Scout is tested on."""

    id: str
    """Permanent short name: test ids, the command line, the support table."""

    source: str
    """Where the image comes from; ``debian`` is the archive the machine's own apt sources name."""

    suite: str
    """The archive's suite."""

    package: str
    """The image package's name as a shell pattern; the newest match is taken."""

    family: str
    """The distribution whose configuration this is."""

    release: str
    """Major and minor version, ``"5.10"``; the guest's ``uname -r`` must begin with it."""

    transport: str
    """What the sensor must choose by itself: ``ringbuf`` (5.8 and later) or ``perf``."""

    btf: bool
    """Whether ``/sys/kernel/btf/vmlinux`` must be there."""

    ci: bool
    """Whether CI boots it."""

    stands_for: str
    """Which nodes of users it speaks for, and what is special about it."""


_FORMS: dict[str, re.Pattern[str] | frozenset[str] | type[bool]] = {
    "id": re.compile(r"[a-z0-9]+(-[a-z0-9.]+)*"),
    "source": frozenset({"debian"}),
    "suite": re.compile(r"[a-z][a-z0-9-]*"),
    "package": re.compile(r"linux-image-[a-z0-9.+*?-]+"),
    "family": re.compile(r"[a-z][a-z0-9-]*"),
    "release": re.compile(r"[1-9][0-9]*\.[0-9]+"),
    "transport": frozenset({"ringbuf", "perf"}),
    "btf": bool,
    "ci": bool,
    "stands_for": re.compile(r"(?s)\S.*"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Every entry, in the file's order."""

    kernels: tuple[MatrixKernel, ...]

    def kernel(self, kernel_id: str) -> MatrixKernel:
        """
        The entry with this id.

        Raises:
            MatrixError: there is none; the message names those there are.
        """
        for kernel in self.kernels:
            if kernel.id == kernel_id:
                return kernel
        known = ", ".join(kernel.id for kernel in self.kernels)
        raise MatrixError([f"the matrix has no kernel {kernel_id!r}; it has {known}"])


def load_matrix(text: str, name: str) -> Matrix:
    """
    Check and read the document *text*; *name* opens every message.

    Raises:
        MatrixError: every mistake in it.
    """
    return _Reader(name).read(text)


class _Reader:
    """Walks YAML nodes rather than values: nodes know their place, and a key that stands twice is seen."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._problems: list[str] = []

    def read(self, text: str) -> Matrix:
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
            raise MatrixError([f"{self._name}:{where}: {error.problem or error.context}"]) from error
        except yaml.YAMLError as error:
            raise MatrixError([f"{self._name}:1:1: {error}"]) from error
        if node is None:
            raise MatrixError([f"{self._name}:1:1: the document is empty"])
        top = self._mapping(node, "the document", ("schema", "kernels"))
        if "schema" in top and top["schema"].value != str(SCHEMA):
            self._problem(top["schema"], f"schema must be {SCHEMA}")
        kernels = self._kernels(top["kernels"]) if "kernels" in top else []
        if self._problems:
            raise MatrixError(self._problems)
        return Matrix(kernels=tuple(kernels))

    def _kernels(self, node: yaml.Node) -> list[MatrixKernel]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self._problem(node, "kernels must be a list with at least one entry")
            return []
        found: list[MatrixKernel] = []
        for item in node.value:
            fields = self._mapping(item, "a kernel", tuple(_FORMS))
            values = {key: self._value(key, fields[key]) for key in fields}
            if set(values) == set(_FORMS) and None not in values.values():
                if any(other.id == values["id"] for other in found):
                    self._problem(fields["id"], f"id {values['id']!r} stands twice")
                found.append(MatrixKernel(**values))
        return found

    def _mapping(self, node: yaml.Node, what: str, keys: tuple[str, ...]) -> dict[str, yaml.Node]:
        """The values of the *keys* that are there; a problem for each that is not, is unknown or stands twice."""
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, f"{what} must be a mapping")
            return {}
        values: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value not in keys:
                self._problem(key, f"unknown field {key.value!r}; known are {', '.join(keys)}")
            elif key.value in values:
                self._problem(key, f"field {key.value!r} stands twice")
            else:
                values[key.value] = value
        for missing in [key for key in keys if key not in values]:
            self._problem(node, f"{what} lacks the field {missing!r}")
        return values

    def _value(self, key: str, node: yaml.Node) -> Any:  # noqa: ANN401  # text or truth, as the field's form says
        """The node's value in the form *key* asks for; None, with a problem noted, if it is not."""
        form = _FORMS[key]
        text = node.value
        if form is bool:
            if node.tag == "tag:yaml.org,2002:bool" and text in {"true", "false"}:
                return text == "true"
            self._problem(node, f"{key} must be true or false")
        elif node.tag != "tag:yaml.org,2002:str":
            self._problem(node, f"{key} must be text; quote it if it looks like a number")
        elif isinstance(form, frozenset) and text not in form:
            self._problem(node, f"{key} is {text!r}; it may be {' or '.join(sorted(form))}")
        elif isinstance(form, re.Pattern) and not form.fullmatch(text):
            self._problem(node, f"{key} is {text!r}, which does not look like one ({form.pattern})")
        else:
            return text
        return None

    def _problem(self, node: yaml.Node, text: str) -> None:
        self._problems.append(f"{self._name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}: {text}")
