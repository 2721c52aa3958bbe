# SPDX-License-Identifier: Apache-2.0
"""
The workloads as the sensor sees them, for ``scout ps``: one row a container.

What acted is known from its cgroup, what did not from the API server; a row
says which. The host is left out, and so are cgroups that a container made below
its own. Rows are made in the status server's thread from copies that the owning
thread's structures give at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.core.escape import visible
from sensor.events.dimensions import Profile
from sensor.workloads.pods import SANDBOX_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensor.workloads.containers import Workload
    from sensor.workloads.pods import Container, Pod

    Row = dict[str, Any]

_COLUMNS = ("namespace", "pod", "container", "image", "owner", "runtime", "id", "")
_SHOWN_ID, _SHOWN_TEXT = 12, 60


def listing(workloads: Iterable[Workload], pods: Iterable[Pod]) -> list[Row]:
    """Return the rows, sorted by namespace, pod, container and id; members that nobody told are null."""
    rows: dict[str, Row] = {}
    for workload in workloads:
        if workload.profile is Profile.CONTAINER:
            row = _row(workload.container_id, workload.pod, workload.container, has_cgroup=True)
            rows[workload.container_id] = row | {"runtime": workload.runtime or None, "pod_uid": row["pod_uid"] or workload.pod_uid or None}
        elif workload.claim:
            rows[workload.claim] = _row("", None, None, has_cgroup=True) | {"claim": workload.claim}
    for pod in pods:
        for identity, container in pod.containers.items():
            rows.setdefault(identity, _row(identity, pod, container, has_cgroup=False))
    return sorted(rows.values(), key=lambda row: tuple(row[name] or "" for name in ("namespace", "pod", "container", "id")))


def _row(identity: str, pod: Pod | None, container: Container | None, *, has_cgroup: bool) -> Row:
    return {
        "namespace": pod.namespace if pod else None,
        "pod": pod.name if pod else None,
        "pod_uid": pod.uid if pod else None,
        "labels": pod.labels if pod else None,
        "owner": f"{pod.owner[0]}/{pod.owner[1]}" if pod and pod.owner else None,
        "service_account": (pod.service_account or None) if pod else None,
        "host_network": pod.host_network if pod else None,
        "host_pid": pod.host_pid if pod else None,
        "runtime_class": (pod.runtime_class or None) if pod else None,
        "container": container.name if container else None,
        "sandbox": container.is_sandbox if container else None,
        "image": (container.image or None) if container else None,
        "tag": (container.tag or None) if container else None,
        "digest": (container.digest or None) if container else None,
        "privileged": container.privileged if container else None,
        "id": identity,
        "runtime": None,
        "claim": None,
        "cgroup": has_cgroup,
    }


def render(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return *rows*, as `listing` made them, as a table for people; sandboxes are left out. Ends with a newline."""
    table = [tuple(name.upper() for name in _COLUMNS), *(_cells(row) for row in rows if row["container"] != SANDBOX_NAME)]
    if len(table) == 1:
        return "no containers\n"
    widths = [max(len(line[at]) for line in table) for at in range(len(_COLUMNS))]
    return "".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in table)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    image = f"{row['image']}:{row['tag']}" if row["image"] and row["tag"] else row["image"]
    told = (row["namespace"], row["pod"] or row["pod_uid"], row["container"], image, row["owner"], row["runtime"], str(row["id"])[:_SHOWN_ID])
    marks = {
        "privileged": row["privileged"], "host network": row["host_network"], "host pids": row["host_pid"], "not seen yet": not row["cgroup"],
        f"runtime class {row['runtime_class']}": row["runtime_class"], f"claims {row['claim']}": row["claim"],
    }  # fmt: skip
    return (*(_cell(value) for value in told), visible(", ".join(mark for mark, holds in marks.items() if holds)))


def _cell(value: object) -> str:
    text = visible(str(value)) if value else "-"
    return text if len(text) <= _SHOWN_TEXT else f"{text[: _SHOWN_TEXT - 1]}…"
