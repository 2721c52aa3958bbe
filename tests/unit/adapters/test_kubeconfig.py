# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64

import pytest

from sensor.adapters.kubeconfig import find_access, read_kubeconfig
from sensor.core.errors import UsageError


def config(tmp_path, *, cluster="server: https://api.example:6443/base/", user="token: t0p", context="cluster: c, user: u", current="here"):
    """A kubeconfig with one context."""
    file = tmp_path / "config"
    file.write_text(
        f"apiVersion: v1\nkind: Config\ncurrent-context: {current}\ncontexts:\n- name: other\n  context: {{cluster: x, user: y}}\n"
        f"- name: here\n  context: {{{context}}}\nclusters:\n- name: c\n  cluster: {{{cluster}}}\nusers:\n- name: u\n  user: {{{user}}}\n"
    )
    return file


def test_the_current_context_is_read(tmp_path):
    """Server, path and token; the token is not in what is printed of it."""
    access = read_kubeconfig(config(tmp_path))
    assert (access.host, access.port, access.base, access.is_tls, access.is_verified) == ("api.example", 6443, "/base", True, True)
    assert access.token == "t0p"
    assert "t0p" not in repr(access)


def test_files_are_named_from_where_the_kubeconfig_is(tmp_path):
    """Authority and certificate by file, relative or in base64; a token's file wins over a token, as it does for kubectl."""
    (tmp_path / "key.pem").write_bytes(b"KEY")
    ca = base64.b64encode(b"CA").decode()
    cert = base64.b64encode(b"CERT").decode()
    access = read_kubeconfig(
        config(
            tmp_path,
            cluster=f"server: 'https://[::1]', certificate-authority-data: {ca}, tls-server-name: api",
            user=f"client-certificate-data: {cert}, client-key: key.pem, token: x, tokenFile: tok",
        )
    )
    assert (access.host, access.port, access.ca_data, access.server_name) == ("::1", 443, b"CA", "api")
    assert access.certificate == b"CERT\nKEY"
    assert (access.token, access.token_file) == ("", tmp_path / "tok")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"user": "exec: {command: aws}"}, "a plugin that is a program"),
        ({"user": "auth-provider: {name: gcp}"}, "plugin"),
        ({"user": "username: a, password: b"}, "a password"),
        ({"user": "as: root, token: x"}, "impersonation"),
        ({"user": "client-certificate: nowhere.pem"}, "nowhere.pem"),
        ({"user": "client-key-data: QQ=="}, "go together"),
        ({"user": "client-key-data: '!'"}, "base64"),
        ({"cluster": "server: https://x, proxy-url: http://p"}, "proxy-url"),
        ({"cluster": "server: https://x, insecure-skip-tls-verify: true"}, "name every container"),
        ({"cluster": "server: http://10.0.0.1:8080"}, "not encrypted"),
        ({"cluster": "server: 'https://u:p@x'"}, "not like"),
        ({"cluster": "server: https://x:99999"}, "not an address"),
        ({"cluster": "a: b"}, "not like"),
        ({"context": "cluster: nowhere"}, "'nowhere'"),
        ({"current": "nowhere"}, "'nowhere'"),
        ({"current": "null"}, "current-context"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(tmp_path, given, said):
    """Nothing is left out in silence: a login that would not last, a proxy, a server nobody vouches for."""
    with pytest.raises(UsageError, match=said):
        read_kubeconfig(config(tmp_path, **given))


def test_a_server_that_proves_nothing_is_taken_when_asked(tmp_path):
    """--kubeconfig-insecure, or plain HTTP on this very machine."""
    assert not read_kubeconfig(config(tmp_path, cluster="server: https://x, insecure-skip-tls-verify: true"), insecure=True).is_verified
    assert not read_kubeconfig(config(tmp_path, cluster="server: http://10.0.0.1"), insecure=True).is_tls
    for host in ("127.0.0.1:80", "localhost:80", "[::1]:80"):
        assert read_kubeconfig(config(tmp_path, cluster=f"server: 'http://{host}'")).port == 80


@pytest.mark.parametrize("content", [None, "a: [", "", "- a\n", "a: b\n---\na: b\n", "a: &x b\n"])
def test_what_is_no_kubeconfig_is_a_usage_error(tmp_path, content):
    """A missing file, broken YAML, a list, two documents, an anchor."""
    file = tmp_path / "config"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError):
        read_kubeconfig(file)


def test_the_order_of_places(tmp_path):
    """The command line, then the pod's own identity, then KUBECONFIG, then none."""
    given, named = config(tmp_path), tmp_path / "named"
    named.write_text(given.read_text().replace("api.example", "named.example"))
    mounted = tmp_path / "mounted"
    assert find_access({}, mounted=mounted) is None
    assert find_access({"KUBECONFIG": str(named)}, mounted=mounted).host == "named.example"
    with pytest.raises(UsageError, match="several"):
        find_access({"KUBECONFIG": f"{given}:{named}"}, mounted=mounted)
    mounted.mkdir()
    (mounted / "token").write_text("x")
    assert find_access({}, mounted=mounted) is None, "half an identity is none"
    (mounted / "ca.crt").write_text("x")
    inside = find_access({"KUBECONFIG": str(named), "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}, mounted=mounted)
    assert (inside.host, inside.port, inside.token_file, inside.ca_file) == ("10.0.0.1", 6443, mounted / "token", mounted / "ca.crt")
    assert find_access({}, mounted=mounted).host == "kubernetes.default.svc"
    assert find_access({}, kubeconfig=given, mounted=mounted).host == "api.example"
