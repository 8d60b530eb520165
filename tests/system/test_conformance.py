"""Every case of the conformance suite, against the command that was built."""

import pytest

from conformance.__main__ import DEFAULT, run_case
from conformance.harness import CASES

pytestmark = [pytest.mark.root, pytest.mark.tool("busybox")]


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=lambda value: getattr(value, "says", None))
def test_case(number, case, subreaper):
    assert run_case(str(DEFAULT), number, case) == ""
