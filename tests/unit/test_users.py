import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocipy.errors import UsageError
from ocipy.users import MAX_ID, lookup_home, parse_user

PASSWD = b"""\
root:x:0:0:root:/root:/bin/sh

# a comment
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
short:x:7
bad:x:1abc:0:bad:/bad:/bin/sh
huge:x:4294967295:0:huge:/huge:/bin/sh
nul:x:9:9:n:/n\0HOME=/x:/bin/sh
:x:10:10:nameless:/nameless:/bin/sh
app:x:1000:1001:App:/home/app:/bin/sh
app:x:2000:2001:again:/home/again:/bin/sh
twin:x:1000:1:twin:/home/twin:/bin/sh
nohome:x:1002:1002:::/bin/sh
noshell:x:1003:1003::/home/noshell
1234:x:55:56:numeric name:/home/1234:/bin/sh
1abc:x:77:78:odd name:/home/1abc:/bin/sh
latin:x:1004:1004::/home/\xe9:/bin/sh
windows:x:1005:1005::/home/windows\r
"""

GROUP = b"""\
root:x:0:
audio:x:29:app,daemon
badgid:x:2x:app
video:x:44:other,app
audio2:x:29:app
app:x:1001:
wheel:x:10:root,twin
nomembers:x:60
"""


@pytest.mark.parametrize(
    ("uid", "home"),
    [
        (0, "/root"),
        (1, "/usr/sbin"),
        (1000, "/home/app"),
        (1002, "/"),
        (1003, "/home/noshell"),
        (1004, "/home/\udce9"),
        (1005, "/home/windows"),
        (7, "/"),
        (9, "/"),
        (10, "/"),
        (4294967295, "/"),
        (31337, "/"),
    ],
)
def test_home(uid, home):
    assert lookup_home(PASSWD, uid) == home


def test_home_without_a_passwd():
    assert lookup_home(b"", 0) == "/"


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", (0, 0, [10])),
        ("root", (0, 0, [10])),
        ("0", (0, 0, [10])),
        ("app", (1000, 1001, [29, 44])),
        ("1000", (1000, 1001, [29, 44])),
        ("twin", (1000, 1, [10])),
        ("daemon", (1, 1, [29])),
        ("31337", (31337, 0, [])),
        ("007", (7, 0, [])),
        (str(MAX_ID), (MAX_ID, 0, [])),
        ("app:audio", (1000, 29, [])),
        ("app:0", (1000, 0, [])),
        ("5:6", (5, 6, [])),
        ("5:nomembers", (5, 60, [])),
        (":video", (0, 44, [])),
        ("app:4294967294", (1000, MAX_ID, [])),
        # A number is an id, though a user is called that; a name that begins with a digit is found as a name only.
        ("1234", (1234, 0, [])),
        ("1abc", (77, 78, [])),
    ],
)
def test_user(text, ids):
    assert parse_user(text, PASSWD, GROUP) == ids


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2abc", "unknown user '2abc'"),
        ("bad", "unknown user 'bad'"),
        ("huge", "unknown user 'huge'"),
        ("short", "unknown user"),
        ("-1", "unknown user"),
        ("+1", "unknown user"),
        (" 1", "unknown user"),
        ("1 ", "unknown user"),
        ("1_0", "unknown user"),
        ("0x10", "unknown user"),
        ("\u0661", "unknown user"),
        ("\ud800", "unknown user"),
        ("nul", "unknown user"),
        ("4294967295", "user 4294967295: an id is a number from 0 to 4294967294"),
        ("9" * 5000, "an id is a number"),
        ("app:", "group after the colon is missing"),
        ("app:nope", "unknown group 'nope'"),
        ("app:badgid", "unknown group"),
        ("app:-1", "unknown group"),
        ("app:4294967295", "group 4294967295: an id is a number"),
        ("app:1:2", "unknown group '1:2'"),
    ],
)
def test_no_user(text, words):
    with pytest.raises(UsageError) as caught:
        parse_user(text, PASSWD, GROUP)
    assert words in str(caught.value)


def test_name_without_a_passwd():
    with pytest.raises(UsageError, match="unknown user 'root'"):
        parse_user("root", b"", b"")
    assert parse_user("12:13", b"", b"") == (12, 13, [])


@given(st.text(st.sampled_from("0123456789abr:x+- _\u0661")), st.binary(), st.binary())
def test_no_text_ever_ends_as_root(text, passwd, group):
    """Only the empty text, zeros, or a line of the file that says 0, give uid 0; hostile files raise nothing else."""
    user = text.partition(":")[0]
    try:
        uid, gid, more = parse_user(text, passwd, group)
    except UsageError:
        return
    assert all(0 <= number <= MAX_ID for number in (uid, gid, *more))
    if uid == 0 and user:
        assert set(user) == {"0"} or user.encode() in passwd


@given(st.binary(), st.integers(0, MAX_ID))
def test_home_of_any_bytes(passwd, uid):
    assert lookup_home(passwd, uid)
    assert "\0" not in lookup_home(passwd, uid)
