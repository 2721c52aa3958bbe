# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from dataclasses import replace

import pytest

from sensor.adapters import cluster
from sensor.adapters.cluster import GARBAGE, ApiError, PodApi
from tests.unit.fake_api_server import WAIT_S, FakeApiServer, bookmark, change_bytes, list_bytes


@pytest.fixture
def fake():
    """A fake API server."""
    server = FakeApiServer()
    yield server
    server.close()


def test_a_list_is_asked_of_the_watch_cache_and_read_in_pieces(fake):
    """This node's pods, version 0, cut in the middle of one; the version of the list is kept."""
    api = PodApi(replace(fake.access, token="t0p", base="/base"), "n1")
    whole = list_bytes({"a": 1}, {"b": "ü{"}, version="77")
    fake.say(whole[:40], whole[40:90], whole[90:])
    assert list(api.listed(consistent=False)) == [{"a": 1}, {"b": "ü{"}]
    path, query, headers = fake.asked()
    assert path == "/base/api/v1/pods"
    assert query == {"fieldSelector": "spec.nodeName=n1", "resourceVersion": "0"}
    assert headers["Authorization"] == "Bearer t0p"
    assert api.version == "77"


def test_after_a_version_has_expired_the_newest_state_is_asked_for(fake):
    """Without a version the answer is not older than the question."""
    api = PodApi(fake.access, "n1")
    fake.say_list()
    assert list(api.listed(consistent=True)) == []
    assert fake.asked()[1] == {"fieldSelector": "spec.nodeName=n1"}


@pytest.mark.parametrize(
    "pieces",
    [
        [list_bytes({"a": 1})[:-30]],
        [b"[]"],
        [b"{}"],
        [b""],
        [b"}"],
        [b"\xff"],
        [b'{"items":[],"metadata":{"resourceVersion":7}}'],
        [b'{"items":[],"metadata":{"resourceVersion":""}}'],
        [b'{"items":[],"metadata":{"resourceVersion":"7","continue":"more"}}'],
    ],
)
def test_a_list_that_is_none_or_not_whole_is_an_error(fake, pieces):
    """A short list would take pods for gone."""
    api = PodApi(fake.access, "n1")
    fake.say(*pieces)
    with pytest.raises(ApiError):
        list(api.listed(consistent=False))
    assert api.version == ""


def test_a_connection_that_breaks_is_an_error(fake):
    """In the middle of a list and of a watch; what came before was handed on."""
    api = PodApi(fake.access, "n1")
    fake.say(list_bytes({"a": 1})[:-30], is_cut=True)
    with pytest.raises(ApiError):
        list(api.listed(consistent=False))
    fake.say_changes(bookmark("8"), is_cut=True)
    changes = api.changes("7")
    assert next(changes)["type"] == "BOOKMARK"
    with pytest.raises(ApiError):
        next(changes)


def test_changes_come_one_by_one_and_the_end_is_no_error(fake):
    """A line may come in pieces, several at once; empty lines are nothing."""
    api = PodApi(fake.access, "n1", watch_s=33)
    one = change_bytes("ADDED", {"a": 1})
    fake.say_changes(one[:9], one[9:] + b"\n" + change_bytes("DELETED", {"b": 2}) * 2)
    assert [event["type"] for event in api.changes("7")] == ["ADDED", "DELETED", "DELETED"]
    query = {"fieldSelector": "spec.nodeName=n1", "watch": "1", "resourceVersion": "7", "allowWatchBookmarks": "true", "timeoutSeconds": "33"}
    assert fake.asked()[1] == query


def test_what_cannot_be_read_is_handed_on_as_garbage(fake, monkeypatch):
    """Bytes that are no JSON, nesting without end, a line that does not end: the next line is read."""
    monkeypatch.setattr(cluster, "MAX_OBJECT_BYTES", 5_000)
    api = PodApi(fake.access, "n1")
    fake.say_changes(b"\xff\xfe\n", b"[" * 3_000 + b"\n", b"x" * 4_000, b"x" * 4_000, b"x\n", ("ADDED", 1))
    assert list(api.changes("7")) == [GARBAGE, GARBAGE, GARBAGE, {"type": "ADDED", "object": 1}]


@pytest.mark.parametrize(
    ("answer", "status", "said", "after"),
    [
        ({"pieces": [b'{"kind":"Status","message":"too old"}'], "status": 410}, 410, "too old", 0.0),
        ({"pieces": [b"<html>"], "status": 503, "headers": {"Retry-After": "7"}}, 503, "HTTP 503", 7.0),
        ({"pieces": [b'{"message":5}'], "status": 401, "headers": {"Retry-After": "soon"}}, 401, "HTTP 401", 0.0),
        ({"pieces": [], "status": 302, "headers": {"Location": "http://elsewhere/"}}, 302, "HTTP 302", 0.0),
        ({"pieces": [b"x" * 100_000], "status": 500}, 500, "HTTP 500", 0.0),
    ],
)
def test_a_refusal_is_an_error_with_its_reason(fake, answer, status, said, after):
    """Status, the server's words, how long it wants to be left alone; a redirect is not followed."""
    pieces = answer.pop("pieces")
    fake.say(*pieces, **answer)
    with pytest.raises(ApiError, match=said) as caught:
        list(PodApi(fake.access, "n1").changes("7"))
    assert (caught.value.status, caught.value.retry_after_s) == (status, after)


def test_the_token_is_read_again_for_each_request(fake, tmp_path):
    """The kubelet replaces it while we run; one that is no token is not sent, and one that is not there is an error."""
    file = tmp_path / "token"
    file.write_text("first\n")
    api = PodApi(replace(fake.access, token_file=file), "n1")
    fake.say_list()
    list(api.listed(consistent=False))
    file.write_text("second")
    fake.say_list()
    list(api.listed(consistent=False))
    assert [fake.asked()[2]["Authorization"] for _ in range(2)] == ["Bearer first", "Bearer second"]
    for content in (b"a\r\nX-Evil: 1", b"\xff"):
        file.write_bytes(content)
        with pytest.raises(ApiError, match="token"):
            list(api.listed(consistent=False))
    file.unlink()
    with pytest.raises(ApiError):
        list(api.listed(consistent=False))


def test_a_stop_ends_a_read_and_what_comes_after(fake):
    """From another thread, in the middle of silence."""
    api = PodApi(fake.access, "n1")
    held = threading.Event()
    fake.say_changes(bookmark("8"), held)
    changes = api.changes("7")
    next(changes)
    stopper = threading.Thread(target=api.stop)
    stopper.start()
    with pytest.raises(ApiError):
        next(changes)
    stopper.join(WAIT_S)
    held.set()
    with pytest.raises(ApiError):
        list(api.listed(consistent=False))


def test_nobody_there_is_an_error():
    """A port that nobody listens on, and a host's name that cannot be one."""
    server = FakeApiServer()
    access = server.access
    server.close()
    for wrong in (access, replace(access, host="a" * 300), replace(access, base="/a b")):
        with pytest.raises(ApiError):
            list(PodApi(wrong, "n1").listed(consistent=False))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A server's certificate that vouches for itself, and a client's."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates, and is not here")
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "client"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-days", "2",
             "-addext", "subjectAltName=DNS:api.test", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"],
            check=True, capture_output=True,
        )  # fmt: skip
    return folder


def test_the_server_proves_itself_and_so_do_we(fake, certificates):
    """By its certificate's name and authority; with ours from memory. Without either there is no answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    context.load_verify_locations(certificates / "client.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    fake.server.socket = context.wrap_socket(fake.server.socket, server_side=True)
    fake.server.handle_error = lambda *_about: None
    ours = (certificates / "client.crt").read_bytes() + (certificates / "client.key").read_bytes()
    good = replace(fake.access, is_tls=True, ca_file=certificates / "server.crt", server_name="api.test", certificate=ours)
    fake.say_list({"a": 1})
    assert list(PodApi(good, "n1").listed(consistent=False)) == [{"a": 1}]
    for wrong in (replace(good, server_name="other.test"), replace(good, ca_file=None), replace(good, certificate=b""), replace(good, certificate=b"x")):
        with pytest.raises(ApiError):
            list(PodApi(wrong, "n1").listed(consistent=False))
    fake.say_list({"a": 2})
    anybody = replace(good, is_verified=False, ca_file=None, server_name="")
    assert list(PodApi(anybody, "n1").listed(consistent=False)) == [{"a": 2}]
