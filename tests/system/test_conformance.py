"""Every case of the conformance suite, against the command that was built."""

import pytest

from conformance.cases import CASES, collect
from conformance.running import DEFAULT, run_case

pytestmark = [pytest.mark.root, pytest.mark.tool("busybox")]
collect()


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=lambda value: getattr(value, "name", None))
def test_case(number, case, subreaper):
    verdict, reason = run_case(str(DEFAULT), number, case)
    assert verdict != "fail", f"{case.section} {case.level}: {case.says}: {reason}"
