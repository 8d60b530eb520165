"""Lists of CPUs and memory nodes."""

import pytest

from ocipy.spec.lists import list_fault, numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ", []),
        ("0", [0]),
        ("0-3,7", [0, 1, 2, 3, 7]),
        (" 5 - 6 ,2,", [5, 6, 2]),
        ("9-9", [9]),
        ("007", [7]),
    ],
)
def test_numbers(text, expected):
    assert list_fault(text, 10) == ""
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10", "10 is above 9, the most there can be"),
        ("0-10", "10 is above 9, the most there can be"),
        ("1" * 5000, f"{'1' * 5000} is above 9, the most there can be"),
        ("3-1", "the range 3-1 goes backwards"),
        ("-1", "expected a list such as 0-3,7, got '-1'"),
        ("1-", "expected a list such as 0-3,7, got '1-'"),
        ("1-2-3", "expected a list such as 0-3,7, got '1-2-3'"),
        ("0:3", "expected a list such as 0-3,7, got '0:3'"),
        ("٣", "expected a list such as 0-3,7, got '٣'"),
        ("all", "expected a list such as 0-3,7, got 'all'"),
    ],
)
def test_what_is_no_list(text, message):
    assert list_fault(text, 10) == message
