"""What a test needs of the machine, as markers, e.g. ``@pytest.mark.root`` or ``@pytest.mark.tool("runc")``.

A test whose need isn't met is skipped, with the reason.  In CI (``CI=true``) that is a failure, and so is any other
skip: a test that never runs proves nothing.  Only what ``MAY_LACK_IN_CI`` names may be missing there.
"""

import os
import platform
import shutil
import signal
from pathlib import Path

import pytest

IN_CI = os.environ.get("CI") == "true"

pytest_plugins = ["pytester"]

# Facts of a host that no script can install.  What needs them runs in the virtual machines of tests/vm.
MAY_LACK_IN_CI = {"cgroup_v2", "capability CAP_SYS_RESOURCE", "lsm apparmor", "lsm selinux", "systemd", "numa", "loop"}

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _root():
    return os.geteuid() == 0


def _capability(name):
    from ocipy.capabilities import NAMES

    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return bool(effective >> NAMES.index(name) & 1)


def _cgroup_v1(*controllers):
    """Hierarchies of cgroup v1, with each of these controllers."""
    mounted = set()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        kind, _, options = line.partition(" - ")[2].split(" ", 2)
        if kind == "cgroup":
            mounted.update(options.split(","))
    return bool(mounted) and mounted.issuperset(controllers)


def _cgroup_v2(*controllers):
    """/sys/fs/cgroup is the unified hierarchy, with each of these controllers."""
    listing = Path("/sys/fs/cgroup/cgroup.controllers")
    return listing.exists() and set(listing.read_text().split()).issuperset(controllers)


def _tool(name):
    return shutil.which(name, path=SYSTEM_PATH) is not None


def _rootless():
    """Users without privileges may make user namespaces, and map the ids that belong to them."""
    limits = [Path("/proc/sys/user/max_user_namespaces"), Path("/proc/sys/kernel/unprivileged_userns_clone")]
    return all(int(limit.read_text()) > 0 for limit in limits if limit.exists()) and _tool("newuidmap")


def _lsm(name):
    listing = Path("/sys/kernel/security/lsm")
    return listing.exists() and name in listing.read_text().split(",")


def _kernel(version):
    return _numbers(platform.release().partition("-")[0]) >= _numbers(version)


def _numbers(version):
    return [int(part) for part in version.split(".")]


def _loop():
    return Path("/dev/loop-control").exists()


def _systemd():
    return Path("/run/systemd/system").exists()


def _numa():
    return len(list(Path("/sys/devices/system/node").glob("node[0-9]*"))) > 1


NEEDS = {
    "root": (_root, "the test needs root"),
    "capability": (_capability, "(name): the test needs this capability, e.g. CAP_SYS_RESOURCE"),
    "cgroup_v1": (_cgroup_v1, "(controllers...): the test needs cgroup v1 with these controllers"),
    "cgroup_v2": (_cgroup_v2, "(controllers...): the test needs cgroup v2 at /sys/fs/cgroup with these controllers"),
    "tool": (_tool, "(name): the test runs this program"),
    "rootless": (_rootless, "the test needs user namespaces for users without privileges, and newuidmap"),
    "lsm": (_lsm, "(name): the test needs this security module"),
    "kernel": (_kernel, "(version): the test needs this kernel or a newer one"),
    "loop": (_loop, "the test needs loop devices"),
    "systemd": (_systemd, "the test needs systemd as process 1"),
    "numa": (_numa, "the test needs two NUMA nodes"),
}

_excused = pytest.StashKey[bool]()


def pytest_configure(config):
    # Ignored in a shell's background; what a test runs would inherit that.
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    for name, (_, meaning) in NEEDS.items():
        config.addinivalue_line("markers", f"{name}{'' if meaning.startswith('(') else ': '}{meaning}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    unmet = [
        (mark.name, " ".join([mark.name, *map(str, mark.args)]))
        for mark in item.iter_markers()
        if mark.name in NEEDS and not NEEDS[mark.name][0](*mark.args)
    ]
    if unmet:
        item.stash[_excused] = all(MAY_LACK_IN_CI & {name, need} for name, need in unmet)
        pytest.skip("needs " + ", ".join(need for _, need in unmet))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and not item.stash.get(_excused, False):
        _fail_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if report.skipped:
        _fail_in_ci(report)
    return report


def _fail_in_ci(report):
    if IN_CI:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where everything must run: {reason}"
