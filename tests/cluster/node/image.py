# SPDX-License-Identifier: Apache-2.0
"""
An image of one layer with Debian's static busybox, as an OCI archive: ``image.py NAME FILE``.

Made here, because a test pulls nothing. It is the pods' sandbox too: without
words of its own it sleeps.

Source: the OCI image specification (image-layout, manifest, config).
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

BUSYBOX = Path("/bin/busybox")
LINKS = "sh sleep cat ls id ping nc wget touch chmod chown ln mv cp rm true echo env head mkdir date".split()
MEDIA = "application/vnd.oci.image"


def archive(entries: dict[str, bytes | str | None]) -> bytes:
    """A tar of *entries*: a file's bytes, a link's target, or None for a folder."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path, content in entries.items():
            info = tarfile.TarInfo(path)
            info.mode = 0o755
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return raw.getvalue()


def image(name: str) -> bytes:
    """The archive that ``ctr images import`` reads, with *name* as the image's."""
    layer = archive(
        {
            **dict.fromkeys(("bin", "etc", "root", "tmp")),
            "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
            "etc/shadow": b"root:*:19000:0:99999:7:::\n",
            "bin/busybox": BUSYBOX.read_bytes(),
            **{f"bin/{link}": "busybox" for link in LINKS},
        }
    )
    blobs: dict[str, bytes] = {}

    def blob(kind: str, data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"{MEDIA}.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    layers = [blob("layer.v1.tar", layer)]
    settings = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sleep", "2147483647"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [layers[0]["digest"]]},
    }
    config = blob("config.v1+json", json.dumps(settings).encode())
    manifest = {"schemaVersion": 2, "mediaType": f"{MEDIA}.manifest.v1+json", "config": config, "layers": layers}
    index = blob("manifest.v1+json", json.dumps(manifest).encode()) | {"annotations": {"io.containerd.image.name": name}}
    return archive({"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps({"schemaVersion": 2, "manifests": [index]}).encode(), **blobs})


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(image(sys.argv[1]))
