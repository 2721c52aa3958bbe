# SPDX-License-Identifier: Apache-2.0
"""
Load rules and policy while the agent goes on.

Reading and compiling a large set takes seconds, in which frames would wait in
the kernel's rings and be lost when those are full. So it is done in a thread;
the loop is woken by a descriptor when the outcome is there, and it alone puts
new rules in force. What changes meanwhile is read once more afterwards.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.engine.decide import Policy
    from sensor.ruleset.model import RuleSet

    Load = Callable[[], tuple[RuleSet, Policy]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a load: rules and policy, or why not."""

    loaded: tuple[RuleSet, Policy] | None = None
    error: Exception | None = None


class Reloader:
    """One load at a time; *load* may raise anything."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._again = False
        self._thread: threading.Thread | None = None
        self._outcome = Outcome()
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        """Readable when `take` has an outcome."""

    def start(self) -> None:
        """Load, or when a load is under way, load again behind it."""
        if self._thread is not None:
            self._again = True
            return
        self._thread = threading.Thread(target=self._run, name="scout-rules", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome = Outcome(loaded=self._load())
        except Exception as error:  # noqa: BLE001  # told by the loop, whatever it is
            self._outcome = Outcome(error=error)
        os.eventfd_write(self.fd, 1)

    def take(self) -> Outcome:
        """Return the outcome of the load that ended, waiting for it if need be; a load that was asked for meanwhile begins."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        os.eventfd_read(self.fd)
        outcome = self._outcome
        if self._again:
            self._again = False
            self.start()
        return outcome

    def close(self) -> None:
        """Forget a load that is under way, and let go of the descriptor."""
        if self._thread is None:  # a thread that still runs will write to it; the process is ending
            os.close(self.fd)
