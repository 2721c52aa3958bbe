# SPDX-License-Identifier: Apache-2.0
"""Rule files that are made to hurt: refused, or taken, in bounded time and memory, with their place and without a word that acts on a terminal."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

MEMORY_BYTES = 1_500_000_000
"""Of address space, the interpreter's and its libraries' included."""

CPU_S = 120
"""A bound, not a measurement: the slowest case takes some 5 s on a quick machine."""

MAX_TOLD_BYTES = 1_500_000
MEBIBYTE = 1024 * 1024


def rule(condition: str, name: str = "R", output: str = "x", more: str = "") -> str:
    """A rule file's text of one rule."""
    return f"- rule: {name}\n  desc: d\n  condition: {condition}\n  output: {output}\n  priority: NOTICE\n{more}"


def quoted(condition: str) -> str:
    """A rule whose condition is in single quotes."""
    return rule(f"'{condition}'")


def chain(kind: str, key: str, first: str, link: str, length: int) -> str:
    """Macros or lists of which each is made of the one before."""
    return f"- {kind}: n0\n  {key}: {first}\n" + "".join(f"- {kind}: n{at}\n  {key}: {link.format(before=f'n{at - 1}')}\n" for at in range(1, length))


def rules(count: int, condition: str, more: str = "") -> str:
    """As many rules; ``{at}`` in *condition* is the number of each."""
    return "".join(rule(condition.format(at=at), f"R{at}", more=more) for at in range(count))


A_MACRO_OF_15_000 = "- macro: m\n  condition: " + " or ".join(f"proc.name = a{at}" for at in range(15_000)) + "\n"
A_LIST_OF_100_000 = "- list: l\n  items: [" + ", ".join(f"v{at}" for at in range(100_000)) + "]\n"

REFUSED = {
    # what: the file, and words of what is said
    "ten megabytes": (lambda: "#" + "x" * 10 * MEBIBYTE, "the file has more than 4194304 bytes"),
    "parentheses": (lambda: quoted("(" * 10_000 + "proc.name = a" + ")" * 10_000), ":3:114: parentheses nested deeper than 100"),
    "parentheses that stay open": (lambda: quoted("(" * 100_000), "parentheses nested deeper than 100"),
    "transformers": (lambda: quoted("tolower(" * 10_000 + "proc.name" + ")" * 10_000 + " = a"), "fields nested deeper than 100"),
    "texts put together": (lambda: quoted("concat(proc.name, " * 10_000 + "proc.name" + ")" * 10_000 + " = a"), "fields nested deeper than 100"),
    "joined": (lambda: quoted('join("x", (' * 10_000), "fields nested deeper than 100"),
    "val of val": (lambda: quoted("proc.name = " + "val(" * 10_000), "expected a field and ')' in val()"),
    "a long condition": (lambda: quoted(" and ".join(["proc.name = a"] * 30_000)), "has 30000 tests nested 2 deep"),
    "mistakes in one condition": (lambda: rule(" or ".join(f"proc.nmae{at} = a" for at in range(20_000))), "20000 mistakes"),
    "mistakes in one output": (lambda: rule("proc.name = a", output='"' + " ".join(f"%proc.nmae{at}" for at in range(30_000)) + '"'), "30000 mistakes"),
    "mistakes in many rules": (lambda: rules(5_000, "proc.nmae{at} = a"), "and 4000 more"),
    "macros that double": (lambda: chain("macro", "condition", "proc.name = a", "{before} and {before}", 60) + rule("n59"), "32768 tests"),
    "macros in a row": (lambda: chain("macro", "condition", "proc.name = a", "{before}", 20_000) + rule("n19999"), "macros of macros more than 200 deep"),
    "negated macros in a row": (lambda: chain("macro", "condition", "proc.name = a", "not {before}", 300) + rule("n299"), "deep"),
    "a macro in itself": (lambda: "- macro: a\n  condition: b\n- macro: b\n  condition: a\n" + rule("a"), "the macro 'a' uses itself: a → b → a"),
    "lists that grow tenfold": (
        lambda: chain("list", "items", "[a, b]", "[" + ", ".join(["{before}"] * 10) + "]", 40) + rule("proc.name in (n39)"),
        "more than 200000",
    ),
    "lists in a row": (lambda: chain("list", "items", "[a]", "[{before}]", 20_000) + rule("proc.name in (n19999)"), "lists of lists more than 200 deep"),
    "a list in itself": (lambda: "- list: a\n  items: [b]\n- list: b\n  items: [a]\n" + rule("proc.name in (a)"), "the list 'a' contains itself: a → b → a"),
    "a list used by many": (lambda: A_LIST_OF_100_000 + rules(500, "proc.name in (l) and proc.pid = {at}"), "1000010 values"),
    "a macro used by many": (lambda: A_MACRO_OF_15_000 + rules(400, "m and proc.pid = {at}"), "100000 and 1000000 are the most"),
    "names alike": (
        lambda: "".join(f"- macro: spawned_process_{at}\n  condition: proc.name = a\n" for at in range(5_000)) + rules(2_000, "spawned_proces_{at}x"),
        "2000 mistakes",
    ),
    "aliases": (lambda: "- list: a\n  items: &a [x, x]\n- list: b\n  items: [*a, *a]\n", ":2:10: anchors and aliases are not read here"),
    "merge keys": (lambda: "- &x {rule: a}\n- <<: *x\n", "anchors and aliases are not read here"),
    "lists in lists of YAML": (lambda: "- list: a\n  items: " + "[" * 100_000, "nested deeper than 32"),
    "dashes": (lambda: "- " * 50_000 + "a", "nested deeper than 32"),
    "a tag that makes an object": (
        lambda: '- !!python/object/apply:os.system ["id"]\n',
        "the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not read here",
    ),
    "a key twice": (lambda: "- rule: a\n  rule: b\n", ":2:3: the key 'rule' is there twice; the first is on line 1"),
    "keys many times": (lambda: "- rule: a\n" + "  desc: d\n" * 200_000, "more than 400000 values in one file"),
    "repetitions of repetitions": (lambda: rule("proc.name regex '((a{1,1000}){1,1000}){1,1000}'"), "not a pattern"),
    "a huge expression": (lambda: rule("proc.name regex '" + "(a|b|c)" * 100_000 + "'"), "not a pattern"),
    "a huge glob": (lambda: rule("proc.name glob '" + "*a" * 20_000 + "'"), "not a pattern"),
    "code in place of a macro": (lambda: rule("__import__('os')"), "expected '(', a field or a macro instead of"),
    "a zero byte": (lambda: b"- rule: a\0b\n", "control characters are not allowed"),
    "not UTF-8": (lambda: b"- rule: \xff\xfe\n", ":1:9: byte 0xff is not UTF-8"),
    "a number of 5,000 digits": (lambda: rule("proc.pid = " + "9" * 5_000), "proc.pid is compared with a number"),
    "a version of 5,000 digits": (lambda: rule("proc.name = a", more="  version: " + "9" * 5_000 + "\n"), "version is a number from 1"),
    "a field of 200,000 characters": (lambda: rule(".".join(["a"] * 100_000) + " = b"), "no field is called"),
    "escapes in a name": (lambda: rule("proc.nmae = a", '"\\e]0;title\\a\\e[31mred\\u202e"'), "no field is called"),
    "other types": (lambda: "- rule: 2024-01-01\n  desc: 1.5\n  condition: yes\n  output: ~\n  priority: 0x10\n  enabled: maybe\n", "priority '0X10'"),
}

TAKEN = {
    "nothing": lambda: "",
    "a thousand documents": lambda: "---\n" * 1_000,
    "not not not": lambda: quoted("not " * 10_000 + "proc.name = a"),
    "100,000 values": lambda: A_LIST_OF_100_000 + rule("proc.name in (l)"),
    "15,000 tests that only user space knows": lambda: rule(" or ".join(f"proc.cmdline contains x{at}" for at in range(15_000))),
    "an expression that other engines never finish": lambda: rule("proc.name regex '(a+)+$'"),
    "names that look like code": lambda: rule("proc.name = a", '\'"); __import__("os").system("x") #{}\''),
    "escapes in a name": lambda: rule("proc.name = a", '"\\e]0;title\\a\\nimport os\\u202e"'),
    "100,000 fields to print": lambda: rule("proc.name = a", output='"' + "%proc.name " * 100_000 + '"'),
    "percent signs": lambda: rule("proc.name = a", output='"%%%%% %proc.aname[99999999999999999999] %(x %[ %proc.name[ {0} {x.__class__}"'),
    "unknown keys": lambda: rules(2_000, "proc.name = a", "  k1: 1\n  k2: [x]\n"),
}


def check(path, content: str | bytes) -> subprocess.CompletedProcess[bytes]:
    """Run `scout rules check` in a process that may not take more than the bounds."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def bounds() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))

    done = subprocess.run([sys.executable, "-m", "sensor.cli", "rules", "check", path], capture_output=True, check=False, preexec_fn=bounds)
    assert len(done.stdout + done.stderr) < MAX_TOLD_BYTES
    text = (done.stdout + done.stderr).decode()
    assert "Traceback" not in text, text[-2_000:]
    assert [character for character in set(text) if not character.isprintable() and character != "\n"] == []
    return done


@pytest.mark.parametrize(("make", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(tmp_path, make, said):
    """One clear mistake, however large what made it is."""
    done = check(tmp_path / "r.yaml", make())
    assert done.returncode == 3, done
    assert said in done.stdout.decode()


@pytest.mark.parametrize("make", TAKEN.values(), ids=TAKEN.keys())
def test_taken(tmp_path, make):
    """What only looks bad is a rule like others."""
    done = check(tmp_path / "r.yaml", make())
    assert done.returncode == 0, done


def test_an_endless_file():
    """No more of it is read than a file may have."""
    done = subprocess.run([sys.executable, "-m", "sensor.cli", "rules", "check", "/dev/zero"], capture_output=True, check=False)
    assert (done.returncode, "more than 4194304 bytes" in done.stdout.decode()) == (3, True)
