"""Capabilities: all five sets, for root and for a user, as /proc/self/status has them in the running program."""

import os
import subprocess

import pytest

from ocipy.capabilities import NAMES, to_mask
from tests.system.looking import inside, read_config, set_process, set_user, status_field, together, write_config
from tests.system.runtime import RUNTIME

pytestmark = pytest.mark.root

ALL = ("bounding", "effective", "permitted", "inheritable", "ambient")
PLAIN = ("bounding", "effective", "permitted")
SHORT = {
    "bounding": "CapBnd",
    "effective": "CapEff",
    "permitted": "CapPrm",
    "inheritable": "CapInh",
    "ambient": "CapAmb",
}
SOME = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"]


def capabilities(**sets):
    return set_process(capabilities=sets)


def in_sets(names, kinds=ALL):
    return {kind: list(names) for kind in kinds}


def masks(text):
    return {kind: int(status_field(text, SHORT[kind]), 16) for kind in ALL}


def seen(ocipy, bundle, *changes):
    return masks(inside(ocipy, bundle, "cat /proc/self/status", change=together(*changes)))


def expected(**sets):
    return {kind: to_mask(sets.get(kind, []))[0] for kind in ALL}


def test_root_has_what_the_bounding_set_lets_it(ocipy, bundle):
    """execve(2) gives uid 0 its permitted set anew, from the bounding and the inheritable one."""
    sets = {"bounding": SOME, "effective": SOME, "permitted": SOME}
    assert seen(ocipy, bundle, capabilities(**sets)) == expected(**sets)
    sets["inheritable"] = ["CAP_KILL"]
    assert seen(ocipy, bundle, capabilities(**sets)) == expected(**sets)


def test_none_at_all(ocipy, bundle):
    assert seen(ocipy, bundle, capabilities()) == expected()
    assert seen(ocipy, bundle, lambda config: config["process"].pop("capabilities")) == expected()
    assert seen(ocipy, bundle, capabilities(), set_user(uid=1000, gid=1000)) == expected()


def test_a_user_keeps_only_ambient_ones(ocipy, bundle):
    user = set_user(uid=1000, gid=1000)
    plain = in_sets(SOME, PLAIN)
    assert seen(ocipy, bundle, capabilities(**plain), user) == expected(bounding=SOME)
    kept = ["CAP_KILL"]
    sets = plain | {"inheritable": SOME, "ambient": kept}
    assert seen(ocipy, bundle, capabilities(**sets), user) == expected(
        bounding=SOME, effective=kept, permitted=kept, inheritable=SOME, ambient=kept
    )


def test_each_set_on_the_way_to_the_program(ocipy, bundle):
    """Before execve the created process holds them as asked for, whatever the program comes to have."""
    user = set_user(uid=1000, gid=1000)
    sets = {
        "bounding": [*SOME, "CAP_SETUID"],
        "permitted": SOME,
        "effective": ["CAP_KILL"],
        "inheritable": ["CAP_CHOWN"],
    }
    container = ocipy.create(bundle(change=together(capabilities(**sets), user)))
    with open(f"/proc/{ocipy.pid(container)}/status") as file:
        assert masks(file.read()) == expected(**sets)


def test_they_work(ocipy, bundle):
    script = "touch /tmp/f; chown 5:6 /tmp/f && stat -c %u:%g /tmp/f; hostname other 2>/dev/null || echo refused"
    change = capabilities(**in_sets(["CAP_CHOWN"], PLAIN))
    assert inside(ocipy, bundle, script, change=change, own_rootfs=True).split() == ["5:6", "refused"]


def test_an_unknown_capability_is_ignored_with_a_warning(ocipy, bundle):
    names = ["CAP_KILL", "CAP_NO_SUCH", "KILL"]
    path = bundle("cat", "/proc/self/status", change=capabilities(**in_sets(names)))
    done = ocipy.run(path, status=0)
    assert masks(done.stdout) == expected(**in_sets(["CAP_KILL"]))
    warnings = [line for line in done.stderr.splitlines() if "level=warning" in line]
    assert len([line for line in warnings if "CAP_NO_SUCH" in line]) == 1
    assert len(warnings) == 2


def test_what_the_runtime_lacks_is_a_warning(ocipy, bundle):
    """config.md: what can't be granted is logged, and doesn't fail."""
    path = bundle("cat", "/proc/self/status", change=capabilities(**in_sets(["CAP_KILL", "CAP_SYS_RESOURCE"])))
    command = ("setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", RUNTIME)
    done = ocipy.execute(*command, "--root", ocipy.root, "run", "--bundle", path, ocipy.new_id(), status=0)
    assert masks(done.stdout) == expected(**in_sets(["CAP_KILL"]))
    assert done.stderr.count("level=warning") == 1
    assert "process.capabilities: CAP_SYS_RESOURCE can't be granted: the runtime doesn't hold it" in done.stderr


def test_ambient_but_not_inheritable_is_a_warning(ocipy, bundle):
    sets = {"bounding": SOME, "effective": SOME, "permitted": SOME, "ambient": ["CAP_KILL", "CAP_CHOWN"],
            "inheritable": ["CAP_KILL"]}  # fmt: skip
    path = bundle("cat", "/proc/self/status", change=capabilities(**sets))
    done = ocipy.run(path, status=0)
    assert masks(done.stdout)["ambient"] == to_mask(["CAP_KILL"])[0]
    assert "can't raise ambient capability CAP_CHOWN: EPERM" in done.stderr


def test_inheritable_but_not_bounding_is_a_warning(ocipy, bundle):
    sets = in_sets(["CAP_KILL"], PLAIN) | {"inheritable": ["CAP_KILL", "CAP_CHOWN"]}
    path = bundle("cat", "/proc/self/status", change=capabilities(**sets | {"permitted": ["CAP_KILL", "CAP_CHOWN"]}))
    done = ocipy.run(path, status=0)
    assert masks(done.stdout)["inheritable"] == to_mask(["CAP_KILL"])[0]
    assert "can't make CAP_CHOWN inheritable: it isn't in the bounding set" in done.stderr


def test_all_there_are(ocipy, bundle):
    names = [name for name in NAMES if name != "CAP_SYS_RESOURCE"]
    assert seen(ocipy, bundle, capabilities(**in_sets(names))) == expected(**in_sets(names))


@pytest.mark.tool("runc")
@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize(
    "sets",
    [
        in_sets(SOME),
        {"bounding": SOME, "permitted": SOME, "effective": ["CAP_KILL"]},
        {"bounding": ["CAP_KILL", "CAP_CHOWN"], "inheritable": ["CAP_CHOWN"], "permitted": SOME, "effective": SOME},
        in_sets(SOME) | {"effective": ["CAP_KILL"], "bounding": [*SOME, "CAP_SETUID"]},
    ],
)
def test_the_same_as_runc(ocipy, bundle, test_name, tmp_path, sets, uid):
    path = bundle("cat", "/proc/self/status", change=together(capabilities(**sets), set_user(uid=uid, gid=uid)))
    ours = masks(ocipy.run(path, status=0).stdout)
    config = read_config(path)
    config["ociVersion"] = "1.0.2"
    config["linux"]["cgroupsPath"] = f"/{test_name}/runc"
    write_config(path, config)
    command = ["runc", "--root", tmp_path / "runc", "run", "--bundle", path, ocipy.new_id()]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
    assert masks(done.stdout) == ours
    remove_empty_cgroups(test_name)


def remove_empty_cgroups(name):
    """runc leaves the directory above the container's."""
    from tests.system.runtime import cgroups_of

    for directory in reversed(cgroups_of(name)):
        os.rmdir(directory)
