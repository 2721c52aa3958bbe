# SPDX-License-Identifier: Apache-2.0
"""
What a rule's trigger says of itself.

``rules/<tactic>/<id>/trigger.sh`` performs the rule's act for real. Lines of its
opening comment tell the test how to run it and what the finding must say:

``# where: container, host``
    where it runs; default: container;
``# needs: terminal, network, scratch``
    a terminal; a network in which the metadata address answers; a scratch
    folder, named by ``SCOUT_TRIGGER_DIR``;
``# programs: /usr/bin/kubectl``
    programs that the container's root has, stand-ins that do what their words
    say (tests/drivers/act.c); a real one, where the trigger runs by hand, will do;
``# act: open /etc/shadow``
    kind of the act and its resolved path, peer (``169.254.169.254:80``) or socket;
``# process: cat /etc/shadow``
    command line of who did it, whose first word's last part is its name.

The last two are needed; ``*`` stands for anything, ``$SCOUT_TRIGGER_DIR`` for the folder.
Exit code 77 means that the act could not be performed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rules.sensor import Finding

KEYS = ("where", "needs", "programs", "act", "process")
WHERE = {"container", "host"}
NEEDS = {"terminal", "network", "scratch"}
COULD_NOT = 77
_LINE = re.compile(r"# ([a-z]+): (.+)")
_SCRATCH = "$SCOUT_TRIGGER_DIR"


@dataclass(frozen=True)
class Trigger:
    """One rule's trigger."""

    rule: str
    attack: tuple[str, ...]
    path: Path
    where: frozenset[str]
    needs: frozenset[str]
    programs: tuple[str, ...]
    kind: str
    target: str
    process: str

    def mistakes(self, finding: Finding, scratch: str) -> list[str]:
        """Return in which way *finding* is not about this trigger's act."""
        process = finding["process"]
        command = self.process.replace(_SCRATCH, scratch)
        name = command.split()[0].rsplit("/", 1)[-1][:15]
        facts = {
            "rule": (finding["rule"]["id"], self.rule),
            "technique": (",".join(finding["attack"]), ",".join(self.attack)),
            "kind of act": (finding["act"]["kind"], self.kind),
            "place of the act": (target_of(finding), self.target.replace(_SCRATCH, scratch)),
            "command line": (process["cmdline"], command),
            "name": (process["name"], name),
        }
        return [f"{what}: {is_!r}, not {wanted!r}" for what, (is_, wanted) in facts.items() if not fnmatchcase(str(is_), wanted)]


def target_of(finding: Finding) -> str:
    """The resolved path of the act or its socket's, or its peer."""
    act = finding["act"]
    peer = act.get("peer")
    return f"{peer['address']}:{peer['port']}" if peer else act["path"] or ""


def read(folder: Path) -> Trigger:
    """Read the trigger and the rule in *folder*; what it does not say is a ValueError."""
    path = folder / "trigger.sh"
    said: dict[str, str] = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        if (found := _LINE.fullmatch(line)) and found[1] in KEYS:
            said[found[1]] = found[2].strip()
    missing = {"act", "process"} - set(said)
    where, needs, programs = (
        frozenset(said.get(key, default).replace(",", " ").split()) for key, default in (("where", "container"), ("needs", ""), ("programs", ""))
    )
    if missing or where - WHERE or needs - NEEDS or (programs and where != {"container"}):
        raise ValueError(
            f"{path}: its comment says too little ({', '.join(sorted(missing))}) or something unknown ({', '.join((where - WHERE) | (needs - NEEDS))})"
        )
    kind, _, target = said["act"].partition(" ")
    (rule,) = (entry for entry in yaml.safe_load((folder / "rule.yaml").read_text()) if "rule" in entry)
    return Trigger(rule["id"], tuple(rule["attack"]), path, where, needs, tuple(sorted(programs)), kind, target.strip(), said["process"])
