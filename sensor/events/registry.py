# SPDX-License-Identifier: Apache-2.0
"""The event kinds of this build, in the order of their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.events.kinds.connect import CONNECT
from sensor.events.kinds.exec import EXEC
from sensor.events.kinds.exit import EXIT
from sensor.events.kinds.flood import FLOOD
from sensor.events.kinds.open import OPEN

if TYPE_CHECKING:
    from sensor.events.spec import EventSpec

KINDS: tuple[EventSpec, ...] = (EXEC, EXIT, OPEN, CONNECT, FLOOD)
