"""All settings or none: what is refused is tried again beside the others; else everything is put back."""

import pytest

from ocipy.cgroups import manager
from ocipy.cgroups.settings import Setting
from ocipy.cgroups.transaction import Transaction, earlier
from ocipy.errors import SyscallError


def setting(path, value, **more):
    return Setting("/linux/resources/x", str(path), value, **more)


class Kernel:
    """Refuses by a rule what is written to the files of a directory."""

    def __init__(self, tree, monkeypatch, rule):
        self.tree = tree
        self.rule = rule
        self.log = []
        self._write = manager.write
        monkeypatch.setattr(manager, "write", self.write)

    def write(self, path, value):
        name = path.rpartition("/")[2]
        number = self.rule({file.name: file.read_text().strip() for file in self.tree.iterdir()} | {name: value})
        self.log.append((name, value, number))
        if number:
            raise SyscallError(f"write {value!r} to", number, path)
        (self.tree / name).write_text(value)

    def texts(self):
        return {file.name: file.read_text().strip() for file in self.tree.iterdir()}


def memory_rule(files):
    """As v1's: the limit is never above the one on memory and swap together."""
    return 22 if int(files["limit"]) > int(files["both"]) else 0


@pytest.mark.parametrize("wanted", [(50, 60), (5, 6), (10, 10), (20, 30)])
@pytest.mark.parametrize("names", [("limit", "both"), ("both", "limit")])
def test_two_limits_in_the_order_that_the_kernel_takes(tree, monkeypatch, wanted, names):
    (tree / "limit").write_text("10")
    (tree / "both").write_text("20")
    values = {"limit": str(wanted[0]), "both": str(wanted[1])}
    kernel = Kernel(tree, monkeypatch, memory_rule)
    Transaction().write([setting(tree / name, values[name]) for name in names])
    assert kernel.texts() == values


def test_what_no_order_helps(tree, monkeypatch):
    """The first that is refused is the one to tell of, and all are put back in the end."""
    (tree / "limit").write_text("10")
    (tree / "both").write_text("20")
    (tree / "other").write_text("1")
    kernel = Kernel(tree, monkeypatch, memory_rule)
    transaction = Transaction()
    with pytest.raises(SyscallError, match=r"write '50' to .*/limit: EINVAL"):
        transaction.write([setting(tree / "other", "2"), setting(tree / "limit", "50"), setting(tree / "both", "40")])
    assert kernel.texts() == {"other": "2", "limit": "10", "both": "40"}
    transaction.undo()
    assert kernel.texts() == {"other": "1", "limit": "10", "both": "20"}


def test_another_error_is_final(tree, monkeypatch):
    for name in ("first", "second", "third"):
        (tree / name).write_text("1")
    kernel = Kernel(tree, monkeypatch, lambda files: 34 if files["second"] == "2" else 0)
    transaction = Transaction()
    with pytest.raises(SyscallError, match="ERANGE"):
        transaction.write([setting(tree / name, "2") for name in ("first", "second", "third")])
    transaction.undo()
    assert [(name, value) for name, value, _ in kernel.log] == [
        ("first", "2"), ("second", "2"), ("second", "1"), ("first", "1"),
    ]  # fmt: skip


def test_what_can_t_be_put_back_is_logged_and_hinders_nothing(tree, monkeypatch, capfd):
    (tree / "first").write_text("1")
    (tree / "second").write_text("1")
    transaction = Transaction()
    transaction.write([setting(tree / "first", "2"), setting(tree / "second", "2")])
    (tree / "second").unlink()
    transaction.undo()
    assert (tree / "first").read_text() == "1"
    assert "while undoing the update: write '1' to" in capfd.readouterr().err


def test_the_fallback_is_put_back(tree):
    (tree / "io.weight").write_text("default 100\n")
    transaction = Transaction()
    transaction.write([setting(tree / "io.bfq.weight", "5", fallback=(f"{tree}/io.weight", "77"))])
    assert (tree / "io.weight").read_text().startswith("77")
    transaction.undo()
    assert (tree / "io.weight").read_text().startswith("default 100")


def test_a_cpuset_that_had_none_of_its_own_gets_what_it_had_from_above(tree):
    """Once there are processes in it, v2 lets it have none no more."""
    (tree / "cpuset.cpus").write_text("\n")
    (tree / "cpuset.cpus.effective").write_text("0-3\n")
    transaction = Transaction()
    transaction.write([setting(tree / "cpuset.cpus", "1")])
    transaction.undo()
    assert (tree / "cpuset.cpus").read_text().startswith("0-3")


def test_other_actions_are_undone_even_when_they_fail(tree):
    done = []

    def fail():
        done.append("failed")
        raise OSError(1, "no")

    transaction = Transaction()
    transaction.do(lambda: done.append("first"), lambda: done.append("undo first"))
    with pytest.raises(OSError, match="no"):
        transaction.do(fail, lambda: done.append("undo second"))
    transaction.undo()
    assert done == ["first", "failed", "undo second", "undo first"]


@pytest.mark.parametrize(
    ("file", "text", "value", "before"),
    [
        ("pids.max", "max\n", "5", "max"),
        ("cpu.max", "max 100000\n", "5000 10000", "max 100000"),
        ("cpuset.cpus", "\n", "0-1", "\n"),
        ("cpuset.cpus", "", "0-1", "\n"),
        ("memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 0\n", "0", "1"),
        ("io.max", "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=2 wbps=max riops=max wiops=max\n", "8:16 rbps=9",
         "8:16 rbps=2 wbps=max riops=max wiops=max"),
        ("io.max", "8:0 rbps=1 wbps=max riops=max wiops=max\n", "8:16 rbps=9",
         "8:16 rbps=max wbps=max riops=max wiops=max"),
        ("io.max", "", "8:16 rbps=9", "8:16 rbps=max wbps=max riops=max wiops=max"),
        ("io.bfq.weight", "default 100\n8:0 50\n", "70", "default 100"),
        ("io.bfq.weight", "default 100\n8:0 50\n", "8:0 70", "8:0 50"),
        ("io.bfq.weight", "default 100\n", "8:0 70", "8:0 default"),
        ("blkio.throttle.read_bps_device", "8:0 50\n", "8:0 70", "8:0 50"),
        ("blkio.throttle.read_bps_device", "", "8:0 70", "8:0 0"),
        ("rdma.max", "mlx4_0 hca_handle=max hca_object=3\n", "mlx4_0 hca_handle=2",
         "mlx4_0 hca_handle=max hca_object=3"),
        ("net_prio.ifpriomap", "lo 1\neth0 2\n", "eth0 5", "eth0 2"),
        ("memory.limit_in_bytes", "9223372036854771712\n", "5", "9223372036854771712"),
    ],
)  # fmt: skip
def test_how_a_file_is_put_back(file, text, value, before):
    assert earlier(file, text, value) == before
