"""update: which containers take it, how it is merged, what a refusal leaves; devices before and after."""

import ctypes
import json
import os
import struct
import time

import pytest

from ocipy.host import probe
from ocipy.state import StateDir
from tests.system.looking import SETS, add_mounts, bind, set_linux, together
from tests.system.runtime import unified, until

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")


def resources_of(ocipy, container):
    """What the state says is in force."""
    return json.loads((ocipy.root / container / "state.json").read_text())["resources"]


def value(ocipy, container, v1, v2):
    """What the kernel says: v1's file, or the one of a host with v2 alone."""
    paths = json.loads((ocipy.root / container / "state.json").read_text())["cgroup_paths"]
    name = v2 if unified() else v1
    controller = name.partition(".")[0]
    path = next(path for key, path in paths.items() if controller in key.split(",") or not any(paths))
    with open(f"{path}/{name}") as file:
        return file.read().strip()


def pids_max(ocipy, container):
    return value(ocipy, container, "pids.max", "pids.max")


@pytest.mark.parametrize("status", ["created", "running", "paused"])
def test_of_a_container_that_is(ocipy, bundle, status):
    container = ocipy.create(bundle(*FOREVER, change=set_linux(resources={"pids": {"limit": 20}})))
    if status != "created":
        ocipy("start", container, status=0)
    if status == "paused":
        ocipy("pause", container, status=0)
    ocipy("update", "--pids-limit", 30, container, status=0)
    assert pids_max(ocipy, container) == "30"
    assert ocipy.status(container) == status


def test_of_a_stopped_one(ocipy, bundle):
    container = ocipy.start(bundle("true"))
    until(lambda: ocipy.status(container) == "stopped")
    assert ocipy.fails("update", "--pids-limit", 30, container) == "container not running"
    assert ocipy.fails("update", "nobody") == "container 'nobody' does not exist"


def test_the_next_starts_from_the_last(ocipy, bundle):
    limits = {"cpu": {"quota": 50000, "period": 100000}, "pids": {"limit": 20}, "devices": []}
    container = ocipy.start(bundle(*FOREVER, change=set_linux(resources=limits)))
    ocipy("update", "--cpu-quota", 40000, container, status=0)
    ocipy("update", "--cpu-period", 80000, container, status=0)
    assert resources_of(ocipy, container) == limits | {"cpu": {"quota": 40000, "period": 80000}}
    if unified():
        assert value(ocipy, container, "", "cpu.max") == "40000 80000"
    else:
        assert value(ocipy, container, "cpu.cfs_quota_us", "") == "40000"
        assert value(ocipy, container, "cpu.cfs_period_us", "") == "80000"


def test_without_limits_nothing_changes(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER))
    before = (ocipy.root / container / "state.json").read_text()
    ocipy("update", container, status=0)
    ocipy("update", "--pids-limit", "", container, status=1)
    assert (ocipy.root / container / "state.json").read_text() == before


@pytest.mark.parametrize("source", ["file", "-"])
def test_resources_of_a_document(ocipy, bundle, tmp_path, source):
    container = ocipy.start(bundle(*FOREVER))
    document = tmp_path / "resources.json"
    document.write_text(json.dumps({"pids": {"limit": 33}, "cpu": None, "memory": {"limit": 64 << 20}}))
    with document.open() as stdin:
        done = ocipy("update", "--resources", document if source == "file" else "-", "--pids-limit", 44, container,
                     status=0, stdin=stdin)  # fmt: skip
    assert pids_max(ocipy, container) == "33"
    assert value(ocipy, container, "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert "options are ignored beside --resources" in done.stderr


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"pids": {"limit": "many"}}, "/pids/limit (line 1, column"),
        ({"memory": {"limit": 5 << 20, "swap": 4 << 20}}, "update: /memory/swap: memory and swap together"),
        ({"cpu": {"quota": 20000, "burst": 30000}}, "update: /cpu/burst: the burst (30000) is above the quota"),
        ({"devices": [{"allow": True, "access": "x"}]}, "update: /devices/0/access: expected any of"),
        ({"unified": {"nothing": "1"}}, "update: /unified/nothing: expected a file name"),
    ],
)
def test_documents_that_aren_t_right(ocipy, bundle, tmp_path, document, message):
    container = ocipy.start(bundle(*FOREVER))
    before = (ocipy.root / container / "state.json").read_text()
    (tmp_path / "resources.json").write_text(json.dumps(document))
    assert message in ocipy.fails("update", "-r", tmp_path / "resources.json", container)
    assert (ocipy.root / container / "state.json").read_text() == before


def test_no_such_document(ocipy, bundle, tmp_path):
    container = ocipy.start(bundle(*FOREVER))
    line = ocipy.fails("update", "-r", tmp_path / "resources.json", container)
    assert line == f"{tmp_path}/resources.json: no such file or directory"


def test_what_runc_ignores(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER))
    done = ocipy("update", "--kernel-memory", "1m", "--kernel-memory-tcp", "1m", container, status=0)
    assert done.stderr.count("is ignored") == 2


def test_a_refused_value_leaves_the_old_ones(ocipy, bundle):
    """The error names the file and the value."""
    limits = {"cpu": {"quota": 50000, "period": 100000, "shares": 512}, "memory": {"limit": 64 << 20},
              "pids": {"limit": 20}, "devices": []}  # fmt: skip
    container = ocipy.start(bundle(*FOREVER, change=set_linux(resources=limits)))
    files = [("cpu.shares", "cpu.weight"), ("cpu.cfs_quota_us", "cpu.max"), ("pids.max", "pids.max"),
             ("memory.limit_in_bytes", "memory.max"), ("cpuset.cpus", "cpuset.cpus.effective")]  # fmt: skip
    before = [value(ocipy, container, *names) for names in files]
    line = ocipy.fails("update", "--memory", "128m", "--cpu-share", 2048, "--cpu-quota", 60000, "--cpuset-cpus", "0",
                       "--pids-limit", 99999999999, container)  # fmt: skip
    assert line.startswith("write '99999999999' to /sys/fs/cgroup/")
    assert line.endswith("/pids.max: EINVAL: invalid argument")
    assert [value(ocipy, container, *names) for names in files] == before
    assert resources_of(ocipy, container) == limits


def test_more_memory_than_memory_and_swap_were_and_back(ocipy, bundle):
    limits = {"memory": {"limit": 64 << 20, "swap": 64 << 20}}
    container = ocipy.start(bundle(*FOREVER, change=set_linux(resources=limits)))
    names = [("memory.limit_in_bytes", "memory.max"), ("memory.memsw.limit_in_bytes", "memory.swap.max")]
    for limit, swap in ((128, 192), (32, 32), (96, 128), (16, 256)):
        ocipy("update", "--memory", f"{limit}m", "--memory-swap", f"{swap}m", container, status=0)
        together_ = swap - limit if unified() else swap
        assert [value(ocipy, container, *each) for each in names] == [str(limit << 20), str(together_ << 20)]
    ocipy("update", "--memory", "-1", container, status=0)
    unlimited = [value(ocipy, container, *each) for each in names]
    assert all(each == "max" or int(each) > 1 << 60 for each in unlimited)


def test_a_period_that_falls_below_a_burst(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER))
    for quota, burst, period in ((50000, 40000, 100000), (5000, 4000, 10000), (200000, 200000, 400000)):
        ocipy("update", "--cpu-quota", quota, "--cpu-burst", burst, "--cpu-period", period, container, status=0)
        assert value(ocipy, container, "cpu.cfs_burst_us", "cpu.max.burst") == str(burst)
        if unified():
            assert value(ocipy, container, "", "cpu.max") == f"{quota} {period}"
        else:
            assert value(ocipy, container, "cpu.cfs_quota_us", "") == str(quota)
            assert value(ocipy, container, "cpu.cfs_period_us", "") == str(period)


def test_shares_of_an_idle_one(ocipy, bundle):
    """They are taken, and it stays idle; awake, it has them."""
    limits = {"cpu": {"shares": 512, "idle": 1}}
    container = ocipy.start(bundle(*FOREVER, change=set_linux(resources=limits)))
    ocipy("update", "--cpu-share", 2048, container, status=0)
    assert value(ocipy, container, "cpu.idle", "cpu.idle") == "1"
    ocipy("update", "--cpu-idle", 0, container, status=0)
    assert value(ocipy, container, "cpu.idle", "cpu.idle") == "0"
    assert value(ocipy, container, "cpu.shares", "cpu.weight") == ("174" if unified() else "2048")


def test_a_limit_that_is_in_force(ocipy, bundle, tmp_path):
    """A loop that slows down: its share of the CPU before and after."""
    container = ocipy.start(bundle("sh", "-c", "while :; do :; done"))
    pid = ocipy.pid(container)
    ocipy("update", "--cpu-quota", 2000, "--cpu-period", 100000, container, status=0)
    throttled = ("cpu.stat", "cpu.stat")
    until(lambda: "nr_throttled 0" not in value(ocipy, container, *throttled))
    start, used = time.monotonic(), cpu_seconds(pid)
    until(lambda: time.monotonic() > start + 0.5)
    assert cpu_seconds(pid) - used <= 0.1


def cpu_seconds(pid):
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


KMSG = {"type": "c", "major": 1, "minor": 11, "access": "rw"}


@pytest.fixture(params=["host", "unified"])
def kind(request):
    if request.param == "unified":
        request.getfixturevalue("unified_alone")
    return request.param


@pytest.fixture
def opens(ocipy, bundle, tmp_path, kind):
    """A container that says, whenever it is asked, which of its devices it may open: {device: what came of it}."""
    shared = tmp_path / "shared"
    shared.mkdir()
    nodes = [
        {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11},
        {"path": "/dev/other", "type": "c", "major": 1, "minor": 99},  # nobody's: it is ENXIO to who is let through
    ]
    script = """
        while :; do
            while [ ! -e /shared/ask ]; do sleep 0.01; done
            rm /shared/ask
            for name in null zero kmsg other; do
                (: < /dev/$name) 2>&1 && echo $name open
            done > /shared/answer.new
            mv /shared/answer.new /shared/answer
        done
    """

    def make(rules):
        change = together(
            set_linux(devices=nodes, resources={"devices": rules}),
            add_mounts(bind(shared, "/shared")),
            lambda config: config["process"]["capabilities"].update(
                {kind: ["CAP_SYSLOG", "CAP_DAC_OVERRIDE"] for kind in SETS}
            ),
        )
        container = ocipy.start(bundle("sh", "-c", script, change=change))

        def ask():
            (shared / "ask").touch()
            until((shared / "answer").exists)
            text = (shared / "answer").read_text()
            (shared / "answer").unlink()
            assert {line.rpartition(" ")[2] for line in text.splitlines()} <= {"open", "permitted", "address"}, text
            found = {line.split()[0] for line in text.splitlines() if line.endswith(" open")}
            return found | ({"other"} if "No such device or address" in text else set())

        return container, ask

    return make


DENY = {"allow": False, "access": "rwm"}


def test_devices_before_and_after(ocipy, opens):
    """What no rule speaks of is denied; the default devices stay; what is allowed before and after is all the while."""
    container, ask = opens([DENY, KMSG | {"allow": True}])
    assert ask() == {"null", "zero", "kmsg"}
    for rules, found in (
        ([DENY], {"null", "zero"}),
        ([DENY, KMSG | {"allow": True}, KMSG | {"minor": 99, "allow": True}], {"null", "zero", "kmsg", "other"}),
        ([{"allow": True}, KMSG | {"allow": False, "access": "rwm"}], {"null", "zero", "other"}),
        ([{"allow": True}], {"null", "zero", "kmsg", "other"}),
        ([DENY, KMSG | {"allow": True}], {"null", "zero", "kmsg"}),
    ):
        update(ocipy, container, devices=rules)
        assert ask() == found, rules
    assert resources_of(ocipy, container)["devices"][1]["minor"] == 11


def test_a_refusal_leaves_the_devices(ocipy, opens):
    container, ask = opens([DENY, KMSG | {"allow": True}])
    document = {"devices": [DENY], "unified": {"cgroup.max.depth": "nothing"}}
    done = update(ocipy, container, status=1, **document)
    assert "write 'nothing' to" in done.stderr
    assert ask() == {"null", "zero", "kmsg"}


def update(ocipy, container, status=0, **document):
    path = ocipy.directory / "update.json"
    path.write_text(json.dumps(document))
    return ocipy("update", "--resources", path, container, status=status)


def test_one_program_decides(ocipy, bundle, unified_alone):
    """It is replaced: of two, a device would need both, and a cgroup takes 64."""
    container = ocipy.start(bundle(*FOREVER))
    assert device_programs(ocipy.pid(container)) == 1
    for rules in ([DENY, KMSG | {"allow": True}], [DENY]):
        update(ocipy, container, devices=rules)
        assert device_programs(ocipy.pid(container)) == 1


def device_programs(pid):
    """The count of programs on the process's cgroup (bpf(2), BPF_PROG_QUERY)."""
    with open(f"/proc/{pid}/cgroup") as file:
        path = next(line[3:].strip() for line in file if line.startswith("0::"))
    fd = os.open(probe().unified.mount + path, os.O_RDONLY | os.O_DIRECTORY)
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    query, device = 16, 6  # BPF_PROG_QUERY, BPF_CGROUP_DEVICE
    attr = ctypes.create_string_buffer(struct.pack("=IIIIQI", fd, device, 0, 0, 0, 0), 128)
    result = ctypes.CDLL(None, use_errno=True).syscall(number, query, attr, 128)
    os.close(fd)
    assert result == 0, os.strerror(ctypes.get_errno())
    return struct.unpack_from("=I", attr, 24)[0]


def test_a_state_that_can_t_be_written(ocipy, bundle, monkeypatch):
    """Then the next update would start from something else: the limits are those of before, and the devices."""
    import ocipy as library

    container = ocipy.start(bundle(*FOREVER, change=set_linux(resources={"pids": {"limit": 20}})))
    found = library.Container.load(container, str(ocipy.root))

    def write(self, state):
        assert pids_max(ocipy, container) == "21"
        raise library.SyscallError("write", 28, "state.json")

    monkeypatch.setattr(StateDir, "write", write)
    with pytest.raises(library.SyscallError, match="ENOSPC"):
        found.update({"pids": {"limit": 21}, "devices": [KMSG | {"allow": True}]})
    assert pids_max(ocipy, container) == "20"
    if not unified():
        assert "c 1:11" not in value(ocipy, container, "devices.list", "")


def test_the_library(ocipy, bundle):
    import ocipy as library

    container = ocipy.start(bundle(*FOREVER))
    found = library.Container.load(container, str(ocipy.root))
    found.update({"pids": {"limit": 21}})
    assert pids_max(ocipy, container) == "21"
    with pytest.raises(library.ConfigError, match="/pids/limit"):
        found.update({"pids": {"limit": "x"}})
