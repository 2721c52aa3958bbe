# SPDX-License-Identifier: Apache-2.0
"""
Transformers: what a condition may put around a field.

They work on text and keep *missing* missing and *unknown* unknown. What puts
several fields together is in `sensor.rulelang.bound`.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from sensor.rulelang.values import UNKNOWN, FieldType, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.rulelang.getters import Getter


def _decoded(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


TRANSFORMERS: dict[str, tuple[FieldType, Callable[[bytes], Any]]] = {
    "tolower": (FieldType.TEXT, bytes.lower),
    "toupper": (FieldType.TEXT, bytes.upper),
    "b64": (FieldType.TEXT, _decoded),
    "basename": (FieldType.TEXT, lambda text: text.rsplit(b"/", 1)[-1]),
    "len": (FieldType.NUMBER, len),
}
"""By name: the type of what comes out, and the function."""


def apply(name: str, get: Getter | None) -> tuple[Getter | None, FieldType]:
    """Return a getter that transforms what *get* gives (None stays None), and its type."""
    kind, function = TRANSFORMERS[name]
    if get is None:
        return None, kind
    read = get

    def transformed(event: Any) -> Any:
        value = read(event)
        if value is None:
            return None
        return UNKNOWN if value.__class__ is Unknown else function(value)

    return transformed, kind
