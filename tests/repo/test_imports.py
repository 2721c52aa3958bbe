# SPDX-License-Identifier: Apache-2.0
"""Imports run one way, and each third-party package has one owner."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from tests.repo import tree

# From the top down: a module imports from its own package and from layers below. Packages that share a line do not import each other.
LAYERS = (
    {"cli"},
    {"commands", "rules_commands", "running"},
    {"app"},
    {"naming", "rules_in_force", "support", "status", "ask", "reloading"},
    {"pipeline", "startup"},
    {"doctor", "health", "recording", "version"},
    {"probes", "workloads", "sinks", "mitigations"},
    {"engine"},
    {"ruleset"},
    {"rulelang"},
    {"events"},
    {"adapters"},
    {"core"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Who may import each third-party package; everybody else goes through them. One module each, two where the uses have nothing in common.
OWNERS = {
    "bcc": {"sensor/adapters/kernel.py"},
    "msgpack": {"sensor/adapters/wire.py"},
    "orjson": {"contract/line.py", "sensor/adapters/cluster.py"},  # writes findings; reads what the API server says
    "prometheus_client": {"sensor/adapters/metrics.py"},
    "psutil": {"sensor/adapters/processes.py"},
    "pyroute2": {"sensor/adapters/netlink.py"},
    "re2": {"sensor/adapters/regex.py", "sensor/adapters/patterns.py"},  # tests of whole values in rules; search and replace in settings
    "structlog": {"sensor/core/log.py"},
    "yaml": {"sensor/adapters/documents.py"},
}
OURS = {"sensor", "contract"}


def imported(path: Path, source: str) -> list[tuple[int, str]]:
    """Return line and dotted name of every import, wherever it stands: in a function and under TYPE_CHECKING too."""
    found = []
    for node in ast.walk(ast.parse(source, str(path))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            found.append((node.lineno, "." * node.level))
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def part_of(path: Path) -> str:
    """Return the package below ``sensor`` that a file belongs to: ``events``, or ``cli`` for sensor/cli.py."""
    return path.parts[1].removesuffix(".py")


def wrong_direction(path: Path, source: str) -> list[str]:
    """Return what is wrong with the imports of our own packages in a module."""
    problems = []
    for line, name in imported(path, source):
        parts = name.split(".")
        if name.startswith("."):
            problems.append(f"{path}:{line}: relative import")
        elif parts[0] == "sensor" and path.parts[0] == "contract":
            problems.append(f"{path}:{line}: contract imports {name}")
        elif parts[0] == "sensor" and len(parts) > 1:
            here, there = part_of(path), parts[1]
            if here != there and (there not in LEVEL or LEVEL.get(here, -1) >= LEVEL[there]):
                problems.append(f"{path}:{line}: {here} imports {name}")
        elif parts[0] not in OURS and parts[0] in {top.name for top in tree.ROOT.iterdir()}:
            problems.append(f"{path}:{line}: what is shipped imports {name}, which is not")
    return problems


def wrong_owner(path: Path, source: str) -> list[str]:
    """Return the third-party imports of a module that does not own them."""
    third_party = ((line, name.split(".")[0]) for line, name in imported(path, source) if not name.startswith("."))
    return [
        f"{path}:{line}: imports {package}, which only {' or '.join(sorted(OWNERS.get(package, {'an adapter listed in this test'})))} may"
        for line, package in third_party
        if package not in sys.stdlib_module_names and package not in OURS and path.as_posix() not in OWNERS.get(package, ())
    ]


def test_imports_run_one_way():
    """No module imports from a layer above, from a neighbour, or from tests; contract imports nothing of the sensor."""
    assert [problem for path in tree.modules() for problem in wrong_direction(path, tree.text(path))] == []


def test_third_party_packages_have_one_owner():
    """Each third-party package is imported by one adapter only, structlog by core/log.py."""
    assert [problem for path in tree.modules() for problem in wrong_owner(path, tree.text(path))] == []


def test_every_package_has_a_layer():
    """Every package and module right below sensor/ is placed in the order."""
    assert {part_of(path) for path in tree.under("sensor")} - {"__init__"} <= set(LEVEL)


def test_a_wrong_direction_is_seen():
    """The check itself: upwards, sideways, relative, inside a function and from contract."""
    path = Path("sensor/engine/x.py")
    assert wrong_direction(path, "from sensor.events import spec\nimport json\nimport contract.finding") == []
    assert wrong_direction(path, "def f():\n    from sensor.probes import x") == ["sensor/engine/x.py:2: engine imports sensor.probes.x"]
    assert wrong_direction(Path("sensor/sinks/x.py"), "import sensor.probes.x") == ["sensor/sinks/x.py:1: sinks imports sensor.probes.x"]
    assert wrong_direction(path, "from . import y") == ["sensor/engine/x.py:1: relative import"]
    assert wrong_direction(path, "import tests.repo") == ["sensor/engine/x.py:1: what is shipped imports tests.repo, which is not"]
    assert wrong_direction(Path("contract/x.py"), "import sensor") == ["contract/x.py:1: contract imports sensor"]


def test_a_wrong_owner_is_seen():
    """The check itself: a package outside its adapter, and one that nobody owns."""
    assert wrong_owner(Path("sensor/adapters/kernel.py"), "import bcc\nimport os") == []
    assert [problem.split(", ")[0] for problem in wrong_owner(Path("sensor/probes/x.py"), "from bcc import BPF\nimport attrs")] == [
        "sensor/probes/x.py:1: imports bcc",
        "sensor/probes/x.py:2: imports attrs",
    ]
