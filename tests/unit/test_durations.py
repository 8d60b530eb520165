"""Go's durations (time.ParseDuration)."""

import pytest

from ocipy.durations import parse_duration
from ocipy.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("500ms", 0.5), ("1m30s", 90), ("1.5h", 5400), ("20us", 2e-5), ("20µs", 2e-5), ("7ns", 7e-9),
     (".5s", 0.5), ("1.s", 1), ("1h1m1s1ms", 3661.001)],
)  # fmt: skip
def test_durations(text, seconds):
    assert parse_duration(text, "interval") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["5", "s", "5x", "1.2.3s", ".s", "5 s", "5s!", "five", "1e3s"])
def test_what_is_none(text):
    with pytest.raises(UsageError, match="option --interval is a duration such as 5s or 500ms, not"):
        parse_duration(text, "interval")


@pytest.mark.parametrize("text", ["0s", "0ms", "-5s", "", "0"])
def test_not_above_0(text):
    with pytest.raises(UsageError, match="--interval"):
        parse_duration(text, "interval")
