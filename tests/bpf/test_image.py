# SPDX-License-Identifier: Apache-2.0
"""A start from the stored unit: without BCC, and as good as the first."""

from __future__ import annotations

import os

import pytest

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
