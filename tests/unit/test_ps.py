"""``ocipy ps``: which lines of a table of ps(1) are the container's."""

import pytest

from ocipy.commands.ps import only
from ocipy.errors import UsageError

FULL = """\
UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 10:00 ?        00:00:01 /sbin/init
root          12       1  0 10:00 ?        00:00:00 sleep 7
nobody       700      12  0 10:00 ?        00:00:00 sh -c sleep 12
"""


@pytest.mark.parametrize(
    ("pids", "words"),
    [([12], ["sleep 7"]), ([700, 1], ["/sbin/init", "sleep 12"]), ([0, 7], []), ([], []), ([120], [])],
)
def test_lines_of_the_pids(pids, words):
    """By the column PID alone: a number elsewhere is none."""
    title, *lines = only(FULL, pids)
    assert title == FULL.splitlines()[0]
    assert [any(line.endswith(word) for word in words) for line in lines] == [True] * len(words)


def test_pids_may_be_in_any_column():
    assert only("COMMAND PID\nsh 4\n\nash 5\n", [5]) == ["COMMAND PID", "ash 5"]


@pytest.mark.parametrize("table", ["", "COMMAND\nsh\n", "PIDS\n4\n"])
def test_without_that_column(table):
    with pytest.raises(UsageError, match="no column PID"):
        only(table, [4])
