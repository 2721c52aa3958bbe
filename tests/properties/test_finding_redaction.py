# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.engine.redact import RedactConfig, Redactor

REDACTOR = Redactor(RedactConfig())

SECRET = st.text(alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ0123456789!#%*+", min_size=8, max_size=24).map(lambda text: f"Zq{text}")
FORMS = st.sampled_from(
    [
        ["--password", "{}"],
        ["--password={}"],
        ["--db-password", "{} with spaces"],
        ["PGPASSWORD={}"],
        ["AUTH_TOKEN={} with spaces"],
        ["mysql", "-p{}"],
        ["sshpass", "-p", "{}"],
        ["curl", "-u", "me:{}"],
        ["-H", "Authorization: Bearer {}"],
        ["-H", "X-Auth-Token: {}"],
        ["https://me:{}@example.com/x"],
        ["sh", "-c", "mysql -u root -p{} db"],
        ["sh", "-c", "export API_KEY='{}'; run --secret \"{}\""],
        ["sh", "-c", "curl -H 'Authorization: Bearer {}' http://h"],
        ['{{"client_secret": "{}"}}'],
    ]
)
NOISE = st.lists(st.sampled_from(["cat", "/etc/passwd", "-v", "--", "a b", "'", '"', "\\", "é\n", "-c", "x=1", "&&", ""]), max_size=4)


@settings(max_examples=150)
@given(before=NOISE, form=FORMS, secret=SECRET, after=NOISE)
def test_a_planted_secret_is_never_in_redacted_arguments(before, form, secret, after):
    """Whatever stands around it, a secret passed in a known form is gone."""
    args = [*before, *(part.format(*([secret] * part.count("{}"))) for part in form), *after]
    redacted = REDACTOR.args(args)
    assert redacted is not None
    assert secret not in "\0".join(redacted)


@settings(max_examples=100)
@given(args=st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["--token", "pass=x", "mysql", "-px", "'a b'", "x: y", "eyJhbGciOiJI"])), max_size=6))
def test_redacting_twice_changes_nothing(args):
    """A redacted command line has nothing left to redact, and as many arguments as before."""
    once = REDACTOR.args(args) or args
    assert len(once) == len(args)
    assert (REDACTOR.args(once) or once) == once
