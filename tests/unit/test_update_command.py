"""``ocipy update``: its options as resources."""

import pytest

from ocipy.commands import update
from ocipy.errors import UsageError
from ocipy.options import parse
from ocipy.spec.load import parse_resources

# All of runc's (its update.go, and runc-update(8)).
RUNC = {
    "resources", "blkio-weight", "cpu-period", "cpu-quota", "cpu-burst", "cpu-share", "cpu-rt-period", "cpu-rt-runtime",
    "cpuset-cpus", "cpuset-mems", "kernel-memory", "kernel-memory-tcp", "memory", "cpu-idle", "memory-reservation",
    "memory-swap", "pids-limit", "l3-cache-schema", "mem-bw-schema",
}  # fmt: skip


def test_options_are_runc_s():
    assert {option.name for option in update.OPTIONS} == RUNC
    assert [option.name for option in update.OPTIONS if option.short == "r"] == ["resources"]


def test_every_limit_is_one_of_the_resources():
    words = []
    for name, _, kind, _ in update._LIMITS:
        words += [f"--{name}", "0-1" if kind == "text" else "20"]
    found = update._limits(parse(update.OPTIONS, words))
    assert found == {
        "blockIO": {"weight": 20},
        "cpu": {"period": 20, "quota": 20, "burst": 20, "shares": 20, "realtimePeriod": 20, "realtimeRuntime": 20,
                "idle": 20, "cpus": "0-1", "mems": "0-1"},
        "memory": {"limit": 20, "reservation": 20, "swap": 20},
        "pids": {"limit": 20},
    }  # fmt: skip
    from ocipy.spec.jsontext import dumps

    assert parse_resources(dumps(found).encode(), "x") == found | {"devices": []}


def test_what_is_not_given_is_absent():
    assert update._limits(parse(update.OPTIONS, ["id", "--memory", ""])) == {}
    assert update._limits(parse(update.OPTIONS, ["--pids-limit", "0"])) == {"pids": {"limit": 0}}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("512", 512), ("-1", -1), ("32b", 32), ("32B", 32), ("32k", 32 << 10), ("32K", 32 << 10),
        ("32kb", 32 << 10), ("32Kib", 32 << 10), ("32 KiB", 32 << 10), ("1.5g", 3 << 29), ("0.5m", 1 << 19),
        ("1t", 1 << 40), ("2p", 2 << 50), (".5k", 512), ("9007199254740993", 9007199254740993),
    ],
)  # fmt: skip
def test_sizes(text, number):
    """go-units, RAMInBytes: units of 1024, whatever they are called."""
    assert update.size(text, "memory") == number


@pytest.mark.parametrize(
    "text", ["", "k", "-2", "1x", "1kk", "1ki", "1ib", "1,5g", "0x10", "1  k", "1.5.5", "٣", ". k", "9" * 5000]
)
def test_no_sizes(text):
    with pytest.raises(UsageError, match="^invalid value for memory: "):
        update.size(text, "memory")
