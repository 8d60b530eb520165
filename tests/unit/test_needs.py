"""The markers of tests/conftest.py: a test that can't run is skipped by hand, and fails in CI."""

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent.parent / "conftest.py"

TESTS = """
    import pytest

    @pytest.mark.tool("no-such-program")
    def test_missing_tool(): pass

    @pytest.mark.tool("sh")
    def test_present_tool(): pass

    @pytest.mark.lsm("apparmor")
    @pytest.mark.lsm("selinux")
    @pytest.mark.kernel("999.0")
    def test_missing_kernel(): pass

    @pytest.mark.capability("CAP_SYS_RESOURCE")
    @pytest.mark.skipif(False, reason="never")
    def test_host_fact(): pass

    def test_skips_itself():
        pytest.skip("for no good reason")

    @pytest.mark.xfail(strict=True)
    def test_expected(): assert False
"""


@pytest.fixture
def checkout(pytester, monkeypatch):
    pytester.makeconftest(CONFTEST.read_text().replace('Path("/proc/self/status").read_text()', '"CapEff: 0"'))
    pytester.makepyfile(TESTS)
    pytester.syspathinsert(CONFTEST.parent.parent)
    monkeypatch.delenv("CI", raising=False)
    return pytester


def test_by_hand_unmet_needs_are_skipped(checkout):
    outcome = checkout.runpytest("-rs", "-p", "no:cacheprovider")
    outcome.assert_outcomes(passed=1, skipped=4, xfailed=1)
    outcome.stdout.fnmatch_lines(["*needs tool no-such-program*"])


def test_in_ci_only_facts_of_the_host_excuse(checkout, monkeypatch):
    monkeypatch.setenv("CI", "true")
    outcome = checkout.runpytest("-rs", "-p", "no:cacheprovider")
    outcome.assert_outcomes(passed=1, failed=1, errors=2, skipped=1, xfailed=1)
    outcome.stdout.fnmatch_lines(["*needs capability CAP_SYS_RESOURCE*"])


def test_in_ci_a_module_that_skips_itself_fails(checkout, monkeypatch):
    monkeypatch.setenv("CI", "true")
    checkout.makepyfile(test_module='import pytest\npytest.importorskip("no_such_module")')
    assert checkout.runpytest("test_module.py").ret != 0
