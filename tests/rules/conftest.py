# SPDX-License-Identifier: Apache-2.0
"""What the tests of this folder share: root, real containers, one running sensor."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.rules.containers import BUSYBOX, Containers

NEEDED = ("runc", "unshare", "nsenter", "ip")


@pytest.fixture(scope="session", autouse=True)
def _able():
    """Refuse early, in words; with a named group a skipped suite is a failure (tests/conftest.py)."""
    if os.geteuid() != 0:
        pytest.skip("containers and probes need root")
    missing = [name for name in NEEDED if not shutil.which(name)] + ([] if BUSYBOX.exists() else ["busybox"])
    if missing:
        pytest.skip(f"missing: {' '.join(missing)}; ci/setup test installs them")


@pytest.fixture(scope="session")
def containers(tmp_path_factory, _able):
    """Return the session's containers; all of them are gone at its end."""
    made = Containers(tmp_path_factory.mktemp("rules"))
    yield made
    made.close()
