# SPDX-License-Identifier: Apache-2.0
"""
Where the API server is and how to prove who we are: in the cluster, or from a kubeconfig.

Only what a sensor can keep up is read: a token or a token's file, a client
certificate, a certificate authority. A plugin that is a program (``exec``,
``auth-provider``), a password and a proxy are refused by name rather than left
out, and so is ``insecure-skip-tls-verify`` unless the command line asks for it:
whoever answers in the API server's place could name every container.

Sources: kubernetes.io, "Organizing Cluster Access Using kubeconfig Files" and
"Accessing the Kubernetes API from a Pod"; client-go tools/clientcmd/api/v1/types.go.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sensor.adapters import documents
from sensor.core.errors import DocumentError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts a pod's identity."""

CONFIG_VARIABLE = "KUBECONFIG"
HOST_VARIABLE, PORT_VARIABLE = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
_SERVICE_NAME = "kubernetes.default.svc"
_HTTPS_PORT, _HTTP_PORT = 443, 80
_MAX_BYTES = 1 << 20
_REFUSED_USER = {
    "exec": "a plugin that is a program", "auth-provider": "an authentication plugin", "username": "a password", "password": "a password",
    "as": "impersonation", "as-uid": "impersonation", "as-groups": "impersonation", "as-user-extra": "impersonation",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The way to an API server. Secrets are not in its repr."""

    where: str
    """For people: the file it was read from, or ``in-cluster``."""

    host: str
    port: int
    base: str = ""
    """Path in front of every request's, without a slash at its end."""

    is_tls: bool = True
    is_verified: bool = True
    """Whether the server must prove who it is."""

    server_name: str = ""
    """Name in the server's certificate, when it is not *host*."""

    ca_file: Path | None = None
    """Certificate authorities, read again for each connection; None and no *ca_data*: the system's."""

    ca_data: bytes = b""
    certificate: bytes = field(default=b"", repr=False)
    """The client's certificate and key, PEM, one after the other."""

    token: str = field(default="", repr=False)
    token_file: Path | None = None
    """Read again for each connection: the kubelet writes a new one before the old one ends."""


def find_access(environment: Mapping[str, str], *, kubeconfig: Path | None = None, insecure: bool = False, mounted: Path = SERVICE_ACCOUNT) -> Access | None:
    """
    Return the way to the cluster: *kubeconfig*, else the pod's own identity, else what KUBECONFIG names, else None.

    Raises:
        UsageError: the kubeconfig cannot be read or asks for what is not supported.
    """
    if kubeconfig is not None:
        return read_kubeconfig(kubeconfig, insecure=insecure)
    if (mounted / "token").is_file() and (mounted / "ca.crt").is_file():
        port = environment.get(PORT_VARIABLE, "")
        return Access(
            where="in-cluster",
            host=environment.get(HOST_VARIABLE) or _SERVICE_NAME,
            port=int(port) if port.isascii() and port.isdigit() else _HTTPS_PORT,
            ca_file=mounted / "ca.crt",
            token_file=mounted / "token",
        )
    named = environment.get(CONFIG_VARIABLE, "")
    if os.pathsep in named:
        raise UsageError(f"{CONFIG_VARIABLE} names several files", hint="name one with --kubeconfig, or use --no-cluster")
    return read_kubeconfig(Path(named), insecure=insecure) if named else None


def read_kubeconfig(path: Path, *, insecure: bool = False) -> Access:
    """
    Read the current context of a kubeconfig.

    Raises:
        UsageError: see `find_access`; the message has the file, the key and what is wrong.
    """
    return _Reader(path, insecure=insecure).access()


class _Reader:
    def __init__(self, path: Path, *, insecure: bool) -> None:
        self.path = path
        self.insecure = insecure
        try:
            roots = documents.parse(path.read_bytes(), str(path))
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}", hint="name a kubeconfig that can be read, or use --no-cluster") from error
        except DocumentError as error:
            raise UsageError(str(error.problems[0]) if error.problems else str(error), hint="a kubeconfig is one YAML document") from error
        if len(roots) != 1 or not isinstance(roots[0], documents.Mapping):
            raise UsageError(f"{path}: not a kubeconfig", hint="it is one YAML document with clusters, users and contexts")
        self.root = roots[0]

    def access(self) -> Access:
        current = self.text(self.root, "current-context")
        if not current:
            raise self.wrong("current-context is not set")
        context = self.named("contexts", current, "context")
        cluster = self.named("clusters", self.text(context, "cluster"), "cluster")
        name = self.text(context, "user")
        user = self.named("users", name, "user") if name else documents.Mapping(self.root.document, 0, 0)
        for key, what in _REFUSED_USER.items():
            if user.get(key) is not None:
                raise self.wrong(f"the user {name!r} has {what} ({key}), which is not supported")
        if self.text(cluster, "proxy-url"):
            raise self.wrong("proxy-url is not supported")
        if self.is_true(cluster, "insecure-skip-tls-verify") and not self.insecure:
            raise UsageError(
                f"{self.path}: insecure-skip-tls-verify: whoever answers could name every container",
                hint="give the cluster's certificate authority, or say --kubeconfig-insecure",
            )
        token_file = self.text(user, "tokenFile")
        is_tls, host, port, base = self.server(self.text(cluster, "server"))
        return Access(
            where=str(self.path),
            host=host,
            port=port,
            base=base,
            is_tls=is_tls,
            is_verified=not self.is_true(cluster, "insecure-skip-tls-verify"),
            server_name=self.text(cluster, "tls-server-name"),
            ca_data=self.data(cluster, "certificate-authority"),
            certificate=self.pair(user),
            token="" if token_file else self.text(user, "token"),
            token_file=self.path.parent / token_file if token_file else None,
        )

    def server(self, url: str) -> tuple[bool, str, int, str]:
        """Whether it is encrypted, host, port and path of the server."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise self.wrong(f"server: {url!r} is not an address: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.query:
            raise self.wrong(f"server: {url!r} is not like https://host:port")
        is_tls = parts.scheme == "https"
        if not is_tls and not self.insecure and not _is_loopback(parts.hostname):
            raise UsageError(f"{self.path}: server: {url!r} is not encrypted", hint="use https, or say --kubeconfig-insecure")
        return is_tls, parts.hostname, port or (_HTTPS_PORT if is_tls else _HTTP_PORT), parts.path.rstrip("/")

    def pair(self, user: documents.Mapping) -> bytes:
        certificate, key = self.data(user, "client-certificate"), self.data(user, "client-key")
        if bool(certificate) != bool(key):
            raise self.wrong("client-certificate and client-key go together")
        return certificate + b"\n" + key if certificate else b""

    def data(self, node: documents.Mapping, key: str) -> bytes:
        """What *key*-data has in base64, or what the file has that *key* names."""
        encoded = self.text(node, f"{key}-data")
        if encoded:
            try:
                return base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError) as error:
                raise self.wrong(f"{key}-data is not base64") from error
        name = self.text(node, key)
        if not name:
            return b""
        file = self.path.parent / name
        try:
            with file.open("rb") as opened:
                return opened.read(_MAX_BYTES)
        except OSError as error:
            raise self.wrong(f"{key}: {file}: {error.strerror}") from error

    def named(self, group: str, name: str, kind: str) -> documents.Mapping:
        """The *kind* that is called *name* in the list *group*."""
        listed = self.root.get(group)
        for item in listed.items if isinstance(listed, documents.Sequence) else []:
            if isinstance(item, documents.Mapping) and self.text(item, "name") == name:
                found = item.get(kind)
                if isinstance(found, documents.Mapping):
                    return found
        raise self.wrong(f"{group} has nothing that is called {name!r}")

    @staticmethod
    def text(node: documents.Mapping, key: str) -> str:
        value = node.get(key)
        return value.text if isinstance(value, documents.Scalar) and not (value.plain and value.text in ("null", "~")) else ""

    def is_true(self, node: documents.Mapping, key: str) -> bool:
        return self.text(node, key).lower() == "true"

    def wrong(self, what: str) -> UsageError:
        return UsageError(f"{self.path}: {what}", hint="see the manual, docs/workloads.md, for what is read of a kubeconfig")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
