"""Several commands at once, on one container and on many."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")


def test_two_starts_at_once(ocipy, bundle):
    container = ocipy.create(bundle(*FOREVER))
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: ocipy("start", container), range(4)))
    assert sorted(each.returncode for each in done) == [0, 1, 1, 1]
    assert {each.stderr for each in done} == {"", "ocipy: cannot start an already running container\n"}


def test_one_id_wanted_by_many_at_once(ocipy, bundle):
    container = ocipy.expect(ocipy.new_id())
    paths = [bundle(*FOREVER) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda path: ocipy("create", "-b", path, container), paths))
    assert sorted(each.returncode for each in done) == [0, 1, 1, 1]
    assert ocipy.status(container) == "created"


def test_many_containers_at_once(ocipy, bundle):
    """Twenty lives, four at a time: they share the root directory, the ledger, the seccomp cache, cgroup ancestors."""

    def seccomp(config):
        rule = {"names": ["acct"], "action": "SCMP_ACT_ERRNO"}
        config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}

    paths = [bundle("sh", "-c", f"exit {number}", change=seccomp) for number in range(20)]

    def live(number):
        if number % 2:
            return ocipy.run(paths[number]).returncode
        container = ocipy.new_id()
        ocipy("create", "-b", paths[number], container, status=0)
        pid = ocipy.pid(container)
        ocipy("start", container, status=0)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        ocipy("delete", container, status=0)
        return code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(live, range(20))) == list(range(20))
