"""Reading and writing the files of cgroups, on plain ones."""

import errno
import signal
import subprocess

import pytest

from ocipy.cgroups import manager
from ocipy.cgroups.fitness import unfit
from ocipy.cgroups.signalling import signal_all
from ocipy.errors import SyscallError


def test_write(tree):
    (tree / "pids.max").write_text("max")
    manager.write(f"{tree}/pids.max", "123")
    assert manager.read(f"{tree}/pids.max") == "123"


def test_write_to_a_file_that_is_not_there(tree):
    with pytest.raises(SyscallError) as caught:
        manager.write(f"{tree}/pids.max", "5")
    assert str(caught.value) == (
        f"write '5' to {tree}/pids.max: ENOENT: no such file or directory (this kernel's controller has no such file)"
    )


def test_processes_are_those_of_the_first_cgroup_that_exists(tree):
    (tree / "box/child").mkdir(parents=True)
    (tree / "box/cgroup.procs").write_text("12\n7\n")
    (tree / "box/child/cgroup.procs").write_text("99\n")
    assert manager.processes([f"{tree}/missing", f"{tree}/box"]) == [12, 7, 99]
    assert manager.processes([f"{tree}/missing"]) == []
    assert manager.processes([]) == []


def test_all_are_killed_by_the_kernel(tree, monkeypatch):
    monkeypatch.setattr(manager, "processes", None)  # nobody is asked for
    (tree / "cgroup.kill").touch()
    signal_all({"": str(tree)}, signal.SIGKILL)
    assert (tree / "cgroup.kill").read_text() == "1"


@pytest.mark.parametrize(
    ("number", "hybrid", "written"),
    [(signal.SIGTERM, False, ""), (signal.SIGKILL, False, None), (signal.SIGKILL, True, "1")],
)
def test_all_are_signalled_one_by_one(tree, sleepers, monkeypatch, number, hybrid, written):
    """Another signal; no cgroup.kill; or a hybrid host, where the unified tree needn't hold all of them."""
    file = tree / "cgroup.kill"
    if written is not None:
        file.touch()
    member = sleepers()
    monkeypatch.setattr(manager, "processes", lambda _paths: [member.pid])
    signal_all({"": str(tree)} | ({"pids": "/cgroup"} if hybrid else {}), number)
    assert member.wait() == -number
    assert (file.read_text() if file.exists() else None) == written


@pytest.fixture
def sleepers():
    """Makes processes that stay until they are killed."""
    made = []

    def make():
        made.append(subprocess.Popen(["/bin/sleep", "1000"]))
        return made[-1]

    yield make
    for process in made:
        process.kill()
        process.wait()


def test_kill_all_one_by_one(sleepers, monkeypatch):
    """Until none is left: what a process forked meanwhile is found in the next round."""
    members, forked = [sleepers(), sleepers()], []

    def processes(_paths):
        if any(member.poll() is not None for member in members) and not forked:
            forked.append(sleepers())
        return [member.pid for member in (*members, *forked) if member.poll() is None]

    monkeypatch.setattr(manager, "processes", processes)
    manager.kill_all({"memory": "/cgroup"})
    assert [process.wait() for process in (*members, *forked)] == [-signal.SIGKILL] * 3


def test_a_pid_that_another_process_got_is_spared(sleepers, monkeypatch):
    """Listed first, but not any more once it is held: the process of that pid is another one's."""
    member, innocent = sleepers(), sleepers()
    listings = iter([[innocent.pid, member.pid], [member.pid]])
    monkeypatch.setattr(manager, "processes", lambda _paths: next(listings))
    signal_all({"memory": "/cgroup"}, signal.SIGTERM)
    assert member.wait() == -signal.SIGTERM
    assert innocent.poll() is None


def test_what_has_ended_takes_no_signal(sleepers, monkeypatch):
    gone = sleepers()
    gone.kill()
    gone.wait()
    monkeypatch.setattr(manager, "processes", lambda _paths: [gone.pid])
    signal_all({"memory": "/cgroup"}, signal.SIGTERM)


def cpuset(directory, cpus="\n", mems="\n"):
    directory.mkdir(exist_ok=True)
    for name, text in (("cpuset.cpus", cpus), ("cpuset.mems", mems), ("cgroup.clone_children", "0\n")):
        (directory / name).write_text(text)


def test_an_empty_cpuset_is_filled_from_above(tree, root):
    """A v1 cpuset without cpus or mems takes no process (cgroup-v1/cpusets.rst)."""
    cpuset(tree, "0-3\n", "0\n")
    cpuset(tree / "a", "1-2\n")
    cpuset(tree / "a/b")
    cpuset(tree / "a/b/box")
    manager.create([f"{tree}/a/b/box"], str(root))
    for path in ("a/b", "a/b/box"):
        assert (tree / path / "cpuset.cpus").read_text().strip() == "1-2"
        assert (tree / path / "cpuset.mems").read_text().strip() == "0"
    assert (tree / "a/cpuset.cpus").read_text() == "1-2\n"


def test_a_cpuset_of_cgroup_v2_may_be_empty(tree, root):
    """It has the parent's cpus then; and it has no cgroup.clone_children."""
    cpuset(tree, "0-3\n", "0\n")
    cpuset(tree / "box")
    (tree / "box/cgroup.clone_children").unlink()
    manager.create([f"{tree}/box"], str(root))
    assert (tree / "box/cpuset.cpus").read_text() == "\n"


def test_a_cpuset_of_its_own_is_left_alone(tree, root):
    cpuset(tree, "0-3\n", "0\n")
    cpuset(tree / "box", "3\n", "0\n")
    manager.create([f"{tree}/box"], str(root))
    assert (tree / "box/cpuset.cpus").read_text() == "3\n"


def test_a_setting_is_written(tree):
    (tree / "io.weight").touch()
    (tree / "pids.max").touch()
    manager.apply(f"{tree}/pids.max", "5")
    manager.apply(f"{tree}/io.bfq.weight", "10", fallback=(f"{tree}/io.weight", "1"))
    manager.apply(f"{tree}/cpu.idle", "0", optional=True)
    assert ((tree / "pids.max").read_text(), (tree / "io.weight").read_text()) == ("5", "1")
    assert not (tree / "cpu.idle").exists()


def test_a_fallback_is_for_a_file_that_is_missing(tree):
    (tree / "io.bfq.weight").touch()
    (tree / "io.weight").touch()
    manager.apply(f"{tree}/io.bfq.weight", "10", fallback=(f"{tree}/io.weight", "1"))
    assert ((tree / "io.bfq.weight").read_text(), (tree / "io.weight").read_text()) == ("10", "")


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("io.bfq.weight", "modprobe bfq"),
        ("hugetlb.1GB.max", "no huge pages of that size"),
        ("cpu.idle", "this kernel's controller has no such file"),
    ],
)
def test_a_file_that_is_missing(tree, file, hint):
    """The error names the file and the value, and what may be done."""
    with pytest.raises(SyscallError) as caught:
        manager.apply(f"{tree}/{file}", "7")
    assert str(caught.value).startswith(f"write '7' to {tree}/{file}: ENOENT: ")
    assert hint in str(caught.value)


@pytest.mark.parametrize(("limit", "taken"), [("4097", True), ("4096", False), ("1", False)])
def test_a_limit_below_the_usage_is_refused_when_asked_for(tree, limit, taken):
    (tree / "memory.max").write_text("max")
    (tree / "memory.current").write_text("4096\n")
    if not taken:
        with pytest.raises(SyscallError, match="EBUSY.*memory.current is at 4096"):
            manager.apply(f"{tree}/memory.max", limit, usage=f"{tree}/memory.current")
        limit = "max"
    else:
        manager.apply(f"{tree}/memory.max", limit, usage=f"{tree}/memory.current")
    assert (tree / "memory.max").read_text().startswith(limit)


def test_a_value_that_the_kernel_forgets_is_an_error(tree, monkeypatch):
    (tree / "memory.kmem.limit_in_bytes").write_text("4096\n")
    path = f"{tree}/memory.kmem.limit_in_bytes"
    manager.apply(path, "4097", verified=True)
    monkeypatch.setattr(manager, "write", lambda path, value: None)
    (tree / "memory.kmem.limit_in_bytes").write_text("9223372036854771712\n")
    with pytest.raises(SyscallError, match="write '4097' to .*: ENOTSUP: .*this kernel keeps no such limit"):
        manager.apply(path, "4097", verified=True)


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("cgroup.procs", "12\n", "is in use: processes in it: 1"),
        ("cgroup.events", "populated 0\nfrozen 1\n", "is frozen"),
        ("cgroup.events", "populated 0\nfrozen 0\n", ""),
        ("freezer.state", "FROZEN\n", "is frozen"),
        ("freezer.state", "FREEZING\n", "is frozen"),
        ("freezer.state", "THAWED\n", ""),
        ("cgroup.type", "threaded\n", "is threaded, and takes no process of its own"),
        ("cgroup.type", "domain invalid\n", "is below a threaded one, and takes no process"),
        ("cgroup.type", "domain\n", ""),
    ],
)
def test_what_makes_a_cgroup_unfit(tree, file, text, reason):
    (tree / "cgroup.procs").touch()
    (tree / file).write_text(text)
    assert unfit(str(tree)) == reason


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP])
def test_a_cgroup_that_goes_while_we_look_has_no_processes(tree, monkeypatch, number):
    (tree / "cgroup.procs").touch()

    def read(path):
        raise OSError(number, "gone")

    monkeypatch.setattr(manager, "read", read)
    assert manager.processes([str(tree)]) == []
