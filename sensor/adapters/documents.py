# SPDX-License-Identifier: Apache-2.0
"""
YAML with the place of every value, for documents that people and strangers write.

The only user of PyYAML. It reads the parser's events and builds its own small
tree, so nothing of YAML that can hurt is ever there: no tags that make objects,
no anchors and aliases (bombs), no duplicate keys, bounded size, depth and
number of values. Every scalar stays text; what a text means (a number, true)
is for the reader of the document to say, because only it knows the key.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

import yaml

from sensor.core.errors import DocumentError
from sensor.core.problems import Problem, excerpt_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 4 * 1024 * 1024
"""Largest file that is read; the largest public rule collections are below 1 MiB."""

MAX_DEPTH = 32
"""Deepest nesting; rule files need 5."""

MAX_NODES = 400_000
"""Most values in one file; it bounds memory to about 100 MB for the worst 4 MiB."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser reads a large file ten times faster


@dataclass(slots=True)
class Document:
    """A file's text, to show places in it."""

    path: str
    lines: list[str]

    def problem(self, line: int, column: int, message: str, hint: str = "") -> Problem:
        """Return a `Problem` at *line* and *column* (both from 1) with its excerpt."""
        source = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return Problem(self.path, line, column, message, excerpt_of(source, column) if source else "", hint)


@dataclass(slots=True)
class Node:
    """A value and where it stands; *line* and *column* are from 1."""

    document: Document
    line: int
    column: int

    def problem(self, message: str, hint: str = "") -> Problem:
        """Return a `Problem` at this value."""
        return self.document.problem(self.line, self.column, message, hint)


@dataclass(slots=True)
class Scalar(Node):
    """A text; ``plain`` when it was written without quotes, so that ``true`` may mean a truth value."""

    text: str = ""
    plain: bool = True
    block: bool = False
    end_line: int = 0
    _places: tuple[array[int], array[int], array[int]] | None = field(default=None, repr=False, compare=False)

    def place_of(self, offset: int) -> tuple[int, int]:
        """
        Return line and column (from 1) of the character at *offset* of ``text``.

        Folding changes white space only, so the n-th visible character of the
        text is the n-th of the source. Where that does not hold (escapes in
        double quotes) the place of the whole value is returned.
        """
        if self._places is None:
            self._places = self._find_places()
        before, lines, columns = self._places
        seen = before[offset]
        if offset < len(self.text) and not self.text[offset].isspace():
            return (lines[seen], columns[seen]) if seen < len(lines) else (self.line, self.column)
        return (lines[seen - 1], columns[seen - 1] + 1) if 0 < seen <= len(lines) else (self.line, self.column)

    def _find_places(self) -> tuple[array[int], array[int], array[int]]:
        """Return, for each offset, how many visible characters are before it; and lines and columns of those that the source has as the text has them."""
        before = array("I", accumulate((not character.isspace() for character in self.text), initial=0))
        lines, columns = array("I"), array("I")
        visible = (character for character in self.text if not character.isspace())
        for line, column, character in self._source():
            if character.isspace():
                continue
            if character != next(visible, ""):
                break
            lines.append(line)
            columns.append(column)
        return before, lines, columns

    def _source(self) -> Iterator[tuple[int, int, str]]:
        first = self.line + 1 if self.block else self.line
        for line in range(first, min(self.end_line, len(self.document.lines)) + 1):
            source = self.document.lines[line - 1]
            start = 0
            if line == self.line:
                start = self.column - 1 if self.plain else self.column
            for column in range(start, len(source)):
                yield line, column + 1, source[column]


@dataclass(slots=True)
class Sequence(Node):
    """A list of values."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping(Node):
    """Keys and values in the order of the file; keys are unique."""

    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)

    def get(self, key: str) -> Node | None:
        """Return the value of *key*, or None."""
        entry = self.entries.get(key)
        return entry[1] if entry else None


def parse(content: bytes, path: str) -> list[Node]:
    """
    Return the root value of every YAML document in *content*.

    Raises:
        DocumentError: with every duplicate key, or the first thing after which
            nothing sensible can be read (syntax, encoding, an alias, a limit).
    """
    if len(content) > MAX_BYTES:
        _refuse(Problem(path, 0, 0, f"the file has more than {MAX_BYTES} bytes"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        _refuse(Problem(path, line, column, f"byte 0x{content[error.start]:02x} is not UTF-8"))
    document = Document(path, text.replace("\r\n", "\n").split("\n"))
    builder = _Builder(document)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        message = " ".join(part for part in (error.context, error.problem) if part)
        _refuse(*builder.problems, document.problem(line, column, f"not valid YAML: {message}"), cause=error)
    except yaml.YAMLError as error:
        _refuse(Problem(path, 0, 0, f"not valid YAML: {str(error).splitlines()[0]}"), cause=error)
    if builder.problems:
        _refuse(*builder.problems)
    return builder.roots


class _Builder:
    """Makes the tree from the parser's events, without recursion."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.roots: list[Node] = []
        self.problems: list[Problem] = []
        self._stack: list[tuple[Node, list[Scalar]]] = []  # a mapping's pending key is in the list
        self._count = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        if isinstance(event, yaml.NodeEvent):
            line, column = _place(event)
            if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
                _refuse(self.document.problem(line, column, "anchors and aliases are not read here", "write the value out"))
            tag = getattr(event, "tag", None)  # "!" only says that a text is a text
            if tag not in (None, "!"):
                _refuse(self.document.problem(line, column, f"the tag {tag!r} is not read here", "leave it out"))
            self._count += 1
            if self._count > MAX_NODES:
                _refuse(self.document.problem(line, column, f"more than {MAX_NODES} values in one file"))
            self._start(event, line, column)
        elif isinstance(event, yaml.CollectionEndEvent):
            node, pending = self._stack.pop()
            if pending:
                self.problems.append(pending[0].problem("a key without a value"))
            self._put(node)

    def _start(self, event: yaml.NodeEvent, line: int, column: int) -> None:
        if isinstance(event, yaml.ScalarEvent):
            end = event.end_mark
            end_line = end.line + (1 if end.column else 0) if end else line
            plain = event.style is None or event.style == ""
            block = event.style in ("|", ">")
            self._put(Scalar(self.document, line, column, event.value, plain, block, max(end_line, line)))
            return
        if len(self._stack) >= MAX_DEPTH:
            _refuse(self.document.problem(line, column, f"nested deeper than {MAX_DEPTH}"))
        node = Mapping(self.document, line, column) if isinstance(event, yaml.MappingStartEvent) else Sequence(self.document, line, column)
        self._stack.append((node, []))

    def _put(self, node: Node) -> None:
        if not self._stack:
            self.roots.append(node)
            return
        parent, pending = self._stack[-1]
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif isinstance(parent, Mapping):
            if not pending:
                if not isinstance(node, Scalar):
                    _refuse(node.problem("a key must be a plain text"))
                else:
                    pending.append(node)
                return
            key = pending.pop()
            if key.text in parent.entries:
                first = parent.entries[key.text][0]
                self.problems.append(key.problem(f"the key {key.text!r} is there twice; the first is on line {first.line}"))
            else:
                parent.entries[key.text] = (key, node)


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def _refuse(*problems: Problem, cause: Exception | None = None) -> None:
    raise DocumentError(f"{problems[0].path}: cannot be read", problems=problems) from cause
