"""Operations of ``ctr``: what a container is given of the host, limits, rights."""

import json
import shutil

from ocipy.bundle.default_config import default_config
from tests.engines.ctr import Ctr
from tests.engines.matrix import operation


def _capabilities(engine: Ctr, *flags: object) -> int:
    return int(engine.inside("grep CapEff /proc/self/status", *flags).split()[1], 16)


@operation("ctr")
def ctr_network(engine: Ctr) -> None:
    """A network of its own with loopback alone; --net-host: the host's."""
    engine.machine.run("ip", "link", "add", "seen0", "type", "bridge")
    look = "ip -o addr; ls /proc/sys/net/ipv4/conf"
    own = engine.inside(look)
    assert "127.0.0.1" in own
    assert "seen0" not in own
    assert "seen0" in engine.inside(look, "--net-host")
    engine.machine.run("ip", "link", "del", "seen0")


@operation("ctr")
def ctr_mount(engine: Ctr) -> None:
    """--mount: a directory, writable and read-only; a tmpfs."""
    shared = engine.place / "shared"
    shared.mkdir(exist_ok=True)
    bind = f"type=bind,src={shared},dst=/shared,options=rbind"
    engine.inside("echo written >/shared/file", "--mount", f"{bind}:rw")
    assert (shared / "file").read_text() == "written\n"
    said = engine.inside("cat /shared/file; echo more >/shared/file || echo refused", "--mount", f"{bind}:ro")
    assert said == "written\nrefused\n"
    tmpfs = "type=tmpfs,src=tmpfs,dst=/scratch,options=size=65536"
    assert engine.inside("df -k /scratch | tail -n 1", "--mount", tmpfs).split()[1] == "64"


@operation("ctr")
def ctr_device(engine: Ctr) -> None:
    """--device: a device of the host, and no other."""
    assert engine.inside(": >/dev/kmsg && echo opened", "--device", "/dev/kmsg") == "opened\n"
    made = "[ ! -e /dev/kmsg ] && mknod /tmp/kmsg c 1 11 && ( : >/tmp/kmsg ) || echo refused"
    assert engine.inside(made) == "refused\n"


@operation("ctr")
def ctr_memory(engine: Ctr) -> None:
    """--memory-limit: in force; who goes beyond it is killed."""
    limit = 32 << 20
    with engine.container("--memory-limit", limit) as name:
        assert engine.setting(name, "memory.limit_in_bytes", "memory.max") == [str(limit)]
    engine.run("--memory-limit", limit, command=("tail", "-c", "200m", "/dev/zero"), status=137)


@operation("ctr")
def ctr_cpus(engine: Ctr) -> None:
    """--cpus, --cpu-shares: in force."""
    with engine.container("--cpus", "0.5", "--cpu-shares", "512") as name:
        assert engine.setting(name, "cpu.cfs_quota_us", "cpu.max")[0] == "50000"
        # As shares, or the weight for them by runc's formula of before version 1.3.2, or the one since.
        assert engine.setting(name, "cpu.shares", "cpu.weight")[0] in ("512", "20", "59")


@operation("ctr")
def ctr_seccomp(engine: Ctr) -> None:
    """--seccomp: containerd's own profile, and one from a file."""
    look = "grep Seccomp: /proc/self/status; unshare -r true && echo allowed || echo refused"
    assert engine.inside(look).split()[1] == "0"
    assert engine.inside(look, "--seccomp").split()[1:] == ["2", "refused"]
    profile = engine.place / "seccomp.json"
    denied = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denied]}))
    said = engine.inside("mkdir /tmp/new 2>&1", "--seccomp", "--seccomp-profile", profile, status=1)
    assert "Operation not supported" in said


@operation("ctr")
def ctr_capabilities(engine: Ctr) -> None:
    """--cap-add, --cap-drop."""
    usual = _capabilities(engine)
    assert _capabilities(engine, "--cap-add", "CAP_SYS_ADMIN") == usual | 1 << 21
    assert _capabilities(engine, "--cap-drop", "CAP_NET_RAW") == usual & ~(1 << 13)


@operation("ctr")
def ctr_privileged(engine: Ctr) -> None:
    """--privileged: the caller's capabilities, the host's devices, nothing masked or read-only."""
    caller = engine.machine.run("grep", "CapEff", "/proc/self/status").out
    assert _capabilities(engine, "--privileged") == int(caller.split()[1], 16)
    said = engine.inside("grep -E ' /(proc|sys)' /proc/mounts; ls /dev", "--privileged")
    mounts = [line.split() for line in said.splitlines() if line.startswith(("proc ", "sysfs "))]
    assert [(words[1], words[3].split(",")[0]) for words in mounts] == [("/proc", "rw"), ("/sys", "rw")]
    assert "kmsg" in said.split()


@operation("ctr")
def ctr_rootfs(engine: Ctr) -> None:
    """--rootfs: a directory of the caller's; --read-only."""
    root = engine.place / "rootfs"
    shutil.copytree(engine.image.rootfs, root, symlinks=True, dirs_exist_ok=True)
    engine.run("--rootfs", root, command=("/bin/touch", "/written"))
    assert (root / "written").exists()
    engine.run("--read-only", "--rootfs", root, command=("/bin/touch", "/again"), status=1)
    assert engine.inside("touch /again || echo refused", "--read-only") == "refused\n"


@operation("ctr")
def ctr_uidmap(engine: Ctr) -> None:
    """--uidmap, --gidmap: a user namespace."""
    said = engine.inside(
        "cat /proc/self/uid_map /proc/self/gid_map; id -u; ls -nd /home/user",
        "--uidmap", "0:100000:65536", "--gidmap", "0:200000:65536",
    ).split()  # fmt: skip
    assert said[:7] == ["0", "100000", "65536", "0", "200000", "65536", "0"]
    assert said[9:11] == ["0", "0"]


@operation("ctr")
def ctr_no_pivot(engine: Ctr) -> None:
    """--no-pivot: the root is moved."""
    assert engine.inside("cat /var/data/original", "--no-pivot") == "of the image\n"


@operation("ctr")
def ctr_with_ns(engine: Ctr) -> None:
    """--with-ns: namespaces of another container."""
    with engine.container() as name:
        pid, _ = engine.task(name)
        kinds = {"network": "net", "ipc": "ipc", "pid": "pid"}
        files = [f"/proc/{pid}/ns/{file}" for file in kinds.values()]
        flags = [word for kind, file in zip(kinds, files, strict=True) for word in ("--with-ns", f"{kind}:{file}")]
        said = engine.inside(
            "cd /proc/self/ns; for i in net ipc pid; do readlink $i; done; ps | grep -c 'sleep 100[0]'", *flags
        )
        assert said == engine.machine.run("readlink", *files).out + "1\n"


@operation("ctr")
def ctr_cgroup(engine: Ctr) -> None:
    """--cgroup: the one named, which is gone at the end."""
    with engine.container("--cgroup", "/named") as name:
        pid, _ = engine.task(name)
        lines = engine.machine.run("cat", f"/proc/{pid}/cgroup").out.splitlines()
        assert any(line.endswith("/named") for line in lines)
    assert not [top for top in engine.machine.cgroups if (top / "named").exists()]


@operation("ctr")
def ctr_config(engine: Ctr) -> None:
    """--config: a config.json of the caller's."""
    config = default_config()
    config["process"]["terminal"] = False
    config["process"]["args"] = ["sh", "-c", '[ "$(hostname)" = of-config ] && exit 2']
    config["hostname"] = "of-config"
    config["root"] = {"path": str(engine.image.rootfs), "readonly": True}
    path = engine.place / "config.json"
    path.write_text(json.dumps(config))
    words = ("run", "--rm", "--runc-binary", engine.runtime.path, "--config", path, engine.new_id())
    engine.ctr(*words, status=2)
