# SPDX-License-Identifier: Apache-2.0
"""A start from the stored unit: without BCC, and as good as the first."""

from __future__ import annotations

import os

import pytest

from sensor.cli import main
from sensor.core.clock import RealClock
from sensor.core.config import KernelConfig, kernel_from
from sensor.core.paths import find_data
from sensor.startup import Startup


def bring_up(cache) -> dict[str, int]:
    """Start the kernel side once, prove it on itself, and return the programs' sizes."""
    given = kernel_from(os.environ)
    config = KernelConfig(features=given.features, offsets=given.offsets, cache=cache, loader_timeout_s=600)
    kernel = Startup(config, find_data()).finish(RealClock(), lambda _count: None)
    try:
        kernel.prove(kernel.install({}))
        return dict(kernel.session.instructions)
    finally:
        kernel.close()


@pytest.fixture
def without_bcc(tmp_path, monkeypatch):
    """Put a package named bcc in front of the real one that cannot be imported."""
    (tmp_path / "impostor" / "bcc").mkdir(parents=True)
    (tmp_path / "impostor" / "bcc" / "__init__.py").write_text("raise RuntimeError('bcc was imported')\n")

    def block() -> None:
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "impostor"))

    return block


def test_the_second_start_needs_no_compiler(tmp_path, without_bcc):
    """What the first start compiled, the second loads: the same programs, proven the same way, with no BCC at hand."""
    cache = tmp_path / "cache"
    compiled = bring_up(cache)
    assert [path.suffix for path in cache.iterdir()] == [".image"]
    without_bcc()
    assert bring_up(cache) == compiled


def test_a_damaged_image_is_compiled_again(tmp_path):
    """A stored unit that the kernel does not take costs a compilation, nothing else."""
    cache = tmp_path / "cache"
    compiled = bring_up(cache)
    (stored,) = cache.iterdir()
    content = bytearray(stored.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    stored.write_bytes(content)
    assert bring_up(cache) == compiled


def test_prepared_ahead_the_first_start_needs_no_compiler(tmp_path, without_bcc, monkeypatch, capsys):
    """`scout prepare` leaves what a start keeps, says so, attaches nothing, and does nothing the second time."""
    cache = tmp_path / "cache"
    monkeypatch.setattr("sensor.core.config.CACHE", cache)
    assert main(["prepare"]) == 0
    assert capsys.readouterr().out == f"compiled and kept in {cache}: the next start needs no compiler\n"
    (stored,) = cache.iterdir()
    without_bcc()
    assert bring_up(cache)
    assert main(["prepare"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert list(cache.iterdir()) == [stored]


def test_what_cannot_be_kept_is_an_error_of_prepare(tmp_path, monkeypatch, capsys):
    """A folder that others can write is no place for programs, and whoever asked for it must hear it."""
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    monkeypatch.setattr("sensor.core.config.CACHE", cache)
    assert main(["prepare"]) == 5
    assert "hint: make it root's own" in capsys.readouterr().err
