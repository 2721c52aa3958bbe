# SPDX-License-Identifier: Apache-2.0
"""What cannot be loaded: the others go on, and what is said names the file, the line and what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from sensor.core.clock import RealClock
from sensor.core.config import kernel_from
from sensor.core.errors import ProbeError
from sensor.core.paths import DataRoot, find_data
from sensor.probes.programs import PROBES
from sensor.startup import Startup
from tests.bpf.live import SLOW, forms

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def data(tmp_path) -> DataRoot:
    """A copy of the sources, to be broken."""
    shutil.copytree(find_data().bpf, tmp_path / "bpf")
    return DataRoot(tmp_path)


def break_probe(data: DataRoot, name: str, before: str, line: str) -> int:
    """Put *line* in front of the last line that has *before*; returns its number."""
    path = data.bpf / "probes" / f"{name}.c"
    lines = path.read_text().splitlines()
    at = max(number for number, text in enumerate(lines) if before in text)
    path.write_text("\n".join([*lines[:at], line, *lines[at:]]) + "\n")
    return at + 1


def test_a_probe_that_does_not_compile_is_left_out(data):
    """Clang's words with the file and the line; the other kinds work, and are proven."""
    line = break_probe(data, "open", "int on_open(void *ctx)", "int broken(void) { return no_such_thing; }")
    kernel = Startup(kernel_from(os.environ), data).finish(RealClock(), lambda _: None)
    try:
        assert set(kernel.session.failed) == {"open"}
        assert f"bpf/probes/open.c:{line}:" in kernel.session.failed["open"]
        assert "no_such_thing" in kernel.session.failed["open"]
        assert set(kernel.kinds) == {"exec", "connect", "exit"}
        kernel.prove(kernel.install({}))
        assert kernel.canaries.missing() == ()
    finally:
        kernel.close()


def test_strict_refuses_what_the_verifier_refuses(data):
    """The verifier's words and the probe's file; nothing is loaded."""
    break_probe(data, "exit", "if (some_pending())", "\tif (*(volatile u32 *)(thread + 8)) return 0;")
    startup = Startup(kernel_from(os.environ, strict=True), data)
    with pytest.raises(ProbeError) as refused:
        startup.finish(RealClock(), lambda _: None)
    text = str(refused.value)
    assert "probe exit" in text
    assert "bpf/probes/exit.c" in text
    assert "invalid mem access" in text
    assert "probe open" not in text


@pytest.mark.parametrize(
    ("package", "words"),
    [("version = '1.0'\n", ("not the BPF Compiler Collection", "pip uninstall bcc")), ("raise ImportError('no')\n", ("BCC is not installed", "python3-bpfcc"))],
    ids=["impostor", "missing"],
)
def test_bcc_that_is_not_bcc(tmp_path, monkeypatch, package, words):
    """The package of that name on the package index, or none at all: said with what to do about it."""
    from sensor.core.errors import EnvironmentRefusal

    (tmp_path / "bcc").mkdir()
    (tmp_path / "bcc" / "__init__.py").write_text(package)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    data = tmp_path / "data"
    shutil.copytree(find_data().bpf, data / "bpf")
    (data / "bpf" / "probes" / "exit.c").write_text("/* another unit than any that was kept */\n")
    startup = Startup(kernel_from(os.environ), DataRoot(data))
    with pytest.raises(EnvironmentRefusal) as refused:
        startup.finish(RealClock(), lambda _: None)
    text = f"{refused.value} {refused.value.hint}"
    assert all(word in text for word in words)


SUBSETS = """
import os, sys
from pathlib import Path
from sensor.core.config import kernel_from
from sensor.core.paths import find_data
from sensor.startup import Startup, _id_mask, _subsys
from sensor.probes import assemble, features
from sensor.probes.offsets.resolve import Places, resolve
from sensor.probes.offsets.tracepoints import find_tracefs
config, data = kernel_from(os.environ, features=sys.argv[1]), find_data()
found = features.detect(find_tracefs()).restricted(config.features)
flags = assemble.flags(data.bpf, found, resolve(places=Places(table_file=config.offsets, tracefs=find_tracefs())).flags(), subsys=None, id_mask=_id_mask())
os.environ["BCC_KERNEL_SOURCE"] = str(data.bpf / "sysroot")
from sensor.adapters.kernel import Unit
for subset in sys.argv[2:]:
    Unit(assemble.unit(data.bpf, subset.split(","), ringbuf=found.ringbuf), flags)
    print(subset, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(SLOW > 1, reason="clang says the same on every machine, and an emulated one takes minutes")
@pytest.mark.parametrize("form", forms())
def test_every_subset_of_the_probes_compiles(form):
    """No probe needs another to be there; in the second form each alone and all together, which is what compiling takes."""
    names = [probe.name for probe in PROBES]
    sizes = range(1, len(names) + 1) if form == forms()[0] else (1, len(names))
    subsets = [",".join(subset) for size in sizes for subset in combinations(names, size)]
    done = subprocess.run([sys.executable, "-c", SUBSETS, form, *subsets], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == subsets
