# SPDX-License-Identifier: Apache-2.0
"""
The parts of an image's reference: repository, tag, digest.

Source:
    distribution/reference, its grammar; what Docker's shim put in front (``docker-pullable://``).
"""

from __future__ import annotations

import re

_MAX_CHARS = 512
"""A name has 255 at most, a tag 128, a digest some 100."""
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{32,128}")


def split_image(reference: object) -> tuple[str, str, str]:
    """Return repository, tag and digest of an image's reference; empty texts where it has none or is none, as an image's id alone."""
    if not isinstance(reference, str) or len(reference) > _MAX_CHARS or _DIGEST.fullmatch(reference):
        return "", "", ""
    rest, _, digest = reference.partition("://")[2].partition("@") if "://" in reference else reference.partition("@")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:  # registry:5000/image has a port, not a tag
        name, tag = rest, ""
    if not _IMAGE.fullmatch(name) or (tag and not _TAG.fullmatch(tag)):
        return "", "", ""
    return name, tag, digest if _DIGEST.fullmatch(digest) else ""
