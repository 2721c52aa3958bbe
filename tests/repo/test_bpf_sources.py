# SPDX-License-Identifier: Apache-2.0
"""What the C sources promise: a header that says what a probe does, maps only where BCC sees them, one place for kernel differences."""

from __future__ import annotations

import re
from pathlib import Path

from tests.repo import tree

HEADER_WORDS = ("Event", "Hook", "Trust", "Kernels", "Cost", "Blind to")
TITLE = re.compile(r"^ \* (?P<name>\w+) - \S.*$")
LICENCE = "// SPDX-License-Identifier: GPL-2.0-only"

# BCC rewrites these only in the main buffer; in an included file they compile to a call the kernel refuses.
MAP_METHOD = re.compile(
    r"(?<=\w)\.(lookup|lookup_or_try_init|lookup_or_init|update|insert|delete|increment|atomic_increment|call|perf_submit|perf_submit_skb"
    r"|perf_read|perf_counter_value|ringbuf_(?:output|reserve|submit|discard|query)|get_stackid|check_current_task|push|pop|peek|redirect_map)\s*\("
)
MAP_DECLARATION = re.compile(r"^\s*BPF_(?!F_)[A-Z_]*(TABLE|HASH|ARRAY|MAP|TRIE|OUTPUT|HISTOGRAM|PROG_ARRAY|STACK|QUEUE)\w*\s*\(", re.MULTILINE)


def without_comments(source: str) -> str:
    """Return C without its comments, line by line."""
    blank = re.sub(r"/\*.*?\*/", lambda match: "\n" * match[0].count("\n"), source, flags=re.DOTALL)
    return re.sub(r"//[^\n]*", "", blank)


def header_problems(path: Path, source: str) -> list[str]:
    """Return what a probe's opening comment lacks: the title, then the six words in order."""
    first, opening, *lines = [*source.splitlines(), "", ""]
    if first != LICENCE or opening != "/*":
        return [f"{path}: does not open with the licence line and a comment"]
    comment = lines[: next((number for number, line in enumerate(lines) if line == " */"), 0)]
    title = TITLE.match(comment[0]) if comment else None
    problems = [] if title and title["name"] == path.stem else [f'{path}:3: no title " * {path.stem} - what it reports"']
    found = [word for line in comment for word in HEADER_WORDS if re.match(rf" \* {word}  ?\S|^ \* {word} {{2,}}\S", line)]
    return problems if tuple(found) == HEADER_WORDS else [*problems, f"{path}: the header has {found}, wanted {list(HEADER_WORDS)}"]


def map_methods(path: Path, source: str) -> list[str]:
    """Return the map methods and map declarations of a source."""
    bare = without_comments(source)
    return [f"{path}: {found[0].strip()}" for pattern in (MAP_METHOD, MAP_DECLARATION) for found in pattern.finditer(bare)]


def probes() -> list[Path]:
    """Return the probes."""
    return [path for path in tree.under("bpf", suffixes=(".c",)) if path.parts[1] == "probes"]


def test_probes_open_with_their_header():
    """Each probe says in seven words what it reports, where it hooks, what it trusts, on which kernels, at what cost, and what it misses."""
    assert probes()
    assert [problem for path in probes() for problem in header_problems(path, tree.text(path))] == []


def test_probes_have_their_live_test():
    """Each probe has tests/bpf/test_<probe>.py."""
    assert [str(path) for path in probes() if not (tree.ROOT / "tests/bpf" / f"test_{path.stem}.py").is_file()] == []


def test_headers_touch_no_map():
    """bpf/include holds plain helpers: what touches a map is in prelude/ or a probe, which BCC rewrites."""
    headers = [path for path in tree.under("bpf", suffixes=(".h",)) if path.parts[1] == "include"]
    assert headers
    assert [problem for path in headers for problem in map_methods(path, tree.text(path))] == []


def test_kernel_differences_are_in_one_place():
    """Only compat.h knows a kernel's version (and the sysroot, because BCC asks for one)."""
    others = [path for path in tree.under("bpf", suffixes=(".c", ".h")) if path.name != "compat.h" and path.parts[1] != "sysroot"]
    assert [str(path) for path in others if re.search(r"LINUX_VERSION_CODE|KERNEL_VERSION", without_comments(tree.text(path)))] == []


def test_feature_flags_are_read_in_one_place():
    """``HAVE_…`` is asked in compat.h, the prelude and the probes' choice of a hook, never in other headers."""
    headers = [path for path in tree.under("bpf", suffixes=(".h",)) if path.parts[1] == "include" and path.name != "compat.h"]
    assert [str(path) for path in headers if re.search(r"\bHAVE_[A-Z]", without_comments(tree.text(path)))] == []


def test_the_c_checks_see():
    """The checks themselves: a missing word, a wrong order, a map method and a map in a header."""
    words = "".join(f" * {word:9} text\n" for word in HEADER_WORDS)
    good = f"{LICENCE}\n/*\n * open - a file was opened.\n *\n{words} */\nint x;\n"
    assert header_problems(Path("bpf/probes/open.c"), good) == []
    assert header_problems(Path("bpf/probes/exec.c"), good) == ['bpf/probes/exec.c:3: no title " * exec - what it reports"']
    assert len(header_problems(Path("bpf/probes/open.c"), good.replace(" * Cost", " * Price"))) == 1
    assert header_problems(Path("bpf/probes/open.c"), "int x;") == ["bpf/probes/open.c: does not open with the licence line and a comment"]
    assert map_methods(Path("x.h"), "/* t.lookup(k) */ a.b.c(k); // t.update(k)\nu64 *v = table.lookup(&key);") == ["x.h: .lookup("]
    assert map_methods(Path("x.h"), "BPF_HASH(seen, u32);\nif (flags & BPF_F_ZERO) f();") == ["x.h: BPF_HASH("]
