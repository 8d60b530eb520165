import signal

import pytest

from ocipy.errors import UsageError
from ocipy.signals import RTMAX, RTMIN, name, parse_signal


@pytest.mark.parametrize("text", ["9", "09", "KILL", "SIGKILL", "sigkill", "Kill", "sigKILL"])
def test_every_form(text):
    assert parse_signal(text) == 9


@pytest.mark.parametrize("member", signal.Signals)
def test_every_signal_of_the_system(member):
    assert parse_signal(member.name) == member
    assert parse_signal(member.name.removeprefix("SIG").lower()) == member
    assert parse_signal(str(int(member))) == member


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("RTMIN", RTMIN),
        ("SIGRTMIN", RTMIN),
        ("rtmin+3", RTMIN + 3),
        ("SIGRTMIN+0", RTMIN),
        (f"SIGRTMIN+{RTMAX - RTMIN}", RTMAX),
        ("RTMAX", RTMAX),
        ("SIGRTMAX-2", RTMAX - 2),
        (f"RTMAX-{RTMAX - RTMIN}", RTMIN),
        ("37", 37),
        ("64", 64),
        ("0", 0),
        ("CLD", int(signal.SIGCHLD)),
        ("POLL", int(signal.SIGIO)),
        ("IOT", int(signal.SIGABRT)),
    ],
)
def test_realtime_numbers_and_aliases(text, number):
    assert parse_signal(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "", "SIG", "NOPE", "SIGSIGKILL", "_DFL", "SIG_DFL", "SIG_BLOCK", "-9", "+9", " 9", "9 ", "9x", "1_0", "\u0669",
        "\uff2b\uff29\uff2c\uff2c", "65", "99999999999", "RTMIN-1", "RTMIN+", "RTMIN+x", "RTMIN+31", "RTMAX+1",
        "RTMAX-31", "RTMAX-100", "RTMINI", "RT", "0x9", "9" * 5000,
    ],
)  # fmt: skip
def test_no_signal(text):
    with pytest.raises(UsageError) as caught:
        parse_signal(text)
    assert str(caught.value) == f'unknown signal "{text}"'


def test_names():
    assert name(9) == "SIGKILL"
    assert name(int(signal.SIGCHLD)) == "SIGCHLD"
    assert name(int(signal.SIGABRT)) == "SIGABRT"
    assert name(int(signal.SIGIO)) == "SIGIO"
    assert name(RTMIN) == "SIGRTMIN"
    assert name(RTMIN + 3) == "SIGRTMIN+3"
    assert [name(number) for number in (0, 32, 33, RTMAX + 1)] == ["0", "32", "33", str(RTMAX + 1)]


def test_there_and_back():
    for number in [*range(1, 32), *range(RTMIN, RTMAX + 1)]:
        assert parse_signal(name(number)) == number
