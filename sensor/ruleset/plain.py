# SPDX-License-Identifier: Apache-2.0
"""Documents as plain Python values, every scalar a text: for hashes and for cases."""

from __future__ import annotations

from sensor.adapters.documents import Mapping, Node, Scalar, Sequence

Plain = str | list["Plain"] | dict[str, "Plain"]


def plain(node: Node) -> Plain:
    """Return *node* without its places."""
    if isinstance(node, Mapping):
        return {key: plain(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.text if isinstance(node, Scalar) else ""
