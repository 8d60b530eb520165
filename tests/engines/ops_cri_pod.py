"""Operations of the CRI: what pods and containers are given of the host, limits, rights."""

import json

from tests.engines.containerd import FOREVER
from tests.engines.cri import CRI, NODE
from tests.engines.matrix import operation
from tests.system.runtime import until


def secured(**context: object) -> dict[str, object]:
    """The member of ContainerConfig with that security context."""
    return {"linux": {"security_context": context}}


def limited(**resources: object) -> dict[str, object]:
    return {"linux": {"resources": resources}}


@operation("cri")
def cri_namespaces(engine: CRI) -> None:
    """Namespaces: network, IPC and UTS shared in a pod; PID its own, the pod's, the host's, a container's."""
    look = "cd /proc/self/ns; for i in net ipc uts pid; do readlink $i; done"
    with engine.pod(network=True) as pod:
        alone = [pod.start(*FOREVER, **secured(namespace_options={"pid": "CONTAINER"})) for _ in range(2)]
        own, other = (each.exec("sh", "-c", look).split() for each in alone)
        assert own[:3] == other[:3]
        one, two = (pod.says(look, **secured(namespace_options={"pid": "POD"})).split() for _ in range(2))
        assert one == two
        assert one[:3] == own[:3]
        assert len({own[3], other[3], one[3]}) == 3
        said = pod.says("ps", **secured(namespace_options={"pid": "TARGET", "target_id": alone[0].id}))
        assert said.count(" ".join(FOREVER)) == 1
    node = {"namespace_options": {"network": "NODE", "pid": "NODE", "ipc": "NODE"}}
    with engine.pod(linux={"security_context": node}) as pod:
        machine = engine.machine.run("sh", "-c", look)
        assert pod.says(look, **secured(**node)) == machine.out


@operation("cri")
def cri_network(engine: CRI) -> None:
    """Network: a bridge with an address, a published port, the pod's resolv.conf; the host's."""
    ports = [{"container_port": 80, "host_port": 8080}]
    with engine.pod(network=True, port_mappings=ports, dns_config={"servers": ["10.1.2.3"]}) as pod:
        address = engine("PodSandboxStatus", pod_sandbox_id=pod.id).status.network.ip
        for place in ((address, 80), ("10.89.0.1", 8080)):
            server = pod.start("nc", "-l", "-p", "80", "-e", "cat", "/etc/resolv.conf")
            until(lambda place=place: engine.machine.run("busybox", "nc", *place).out == "nameserver 10.1.2.3\n")
            server.ended()
    with engine.pod() as pod:
        assert "cri0" in pod.says("ls /proc/sys/net/ipv4/conf", **secured(**NODE))


@operation("cri")
def cri_user(engine: CRI) -> None:
    """run_as_user, run_as_group, run_as_username, supplemental_groups."""
    with engine.pod() as pod:
        context = {"run_as_user": {"value": 1000}, "run_as_group": {"value": 50}, "supplemental_groups": [7, 8]}
        assert pod.says("id -u; id -g; id -G", **secured(**context)) == "1000\n50\n50 7 8\n"
        assert pod.says("id -u; id -g", **secured(run_as_username="user")) == "1000\n1000\n"


@operation("cri")
def cri_read_only(engine: CRI) -> None:
    """readonly_rootfs, masked_paths, readonly_paths."""
    with engine.pod() as pod:
        assert pod.says("touch /new || echo refused", **secured(readonly_rootfs=True)) == "refused\n"
        context = {"masked_paths": ["/etc/passwd", "/var/data"], "readonly_paths": ["/home"]}
        said = pod.says("cat /etc/passwd; ls /var/data; touch /home/new || echo refused", **secured(**context))
        assert said == "refused\n"
        usual = {"masked_paths": ["/proc/kcore", "/proc/keys"], "readonly_paths": ["/proc/sys"]}
        said = pod.says("head -c 1 /proc/keys; echo x >/proc/sys/kernel/domainname || echo refused", **secured(**usual))
        assert said == "refused\n"


@operation("cri")
def cri_seccomp(engine: CRI) -> None:
    """seccomp: the runtime's default profile, none, one from a file."""
    look = "grep Seccomp: /proc/self/status; mkdir /tmp/new 2>/dev/null || echo refused"
    denied = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile = engine.place / "seccomp.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denied]}))
    profiles = (
        {"profile_type": "RuntimeDefault"},
        {"profile_type": "Unconfined"},
        {"profile_type": "Localhost", "localhost_ref": str(profile)},
    )
    with engine.pod() as pod:
        said = [pod.says(look, **secured(seccomp=each)) for each in profiles]
    assert said == ["Seccomp:\t2\n", "Seccomp:\t0\n", "Seccomp:\t2\nrefused\n"]


@operation("cri")
def cri_capabilities(engine: CRI) -> None:
    """capabilities: one added, one dropped, all dropped; no_new_privs."""

    def effective(**capabilities: object) -> int:
        return int(pod.says("grep CapEff /proc/self/status", **secured(capabilities=capabilities)).split()[1], 16)

    with engine.pod() as pod:
        usual = effective()
        assert effective(add_capabilities=["SYS_ADMIN"]) == usual | 1 << 21
        assert effective(drop_capabilities=["NET_RAW"]) == usual & ~(1 << 13)
        assert effective(drop_capabilities=["ALL"], add_capabilities=["CHOWN"]) == 1
        assert pod.says("grep NoNewPrivs /proc/self/status", **secured(no_new_privs=True)) == "NoNewPrivs:\t1\n"
        assert pod.says("grep NoNewPrivs /proc/self/status") == "NoNewPrivs:\t0\n"


@operation("cri")
def cri_privileged(engine: CRI) -> None:
    """privileged: the caller's capabilities, the host's devices, nothing masked or read-only."""
    with engine.pod(linux={"security_context": {**NODE, "privileged": True}}) as pod:
        look = "grep CapEff /proc/self/status; grep -E ' /(proc|sys)' /proc/self/mountinfo | cut -d' ' -f5,6; ls /dev"
        said = pod.says(look, **secured(privileged=True)).splitlines()
    caller = engine.machine.run("grep", "CapEff", "/proc/self/status").out
    assert said[0] == caller.strip()
    mounts = dict(line.split() for line in said if line.startswith("/"))
    assert {"/proc", "/sys", "/sys/fs/cgroup"} <= mounts.keys()
    assert all(options.startswith("rw,") for options in mounts.values())
    assert "kmsg" in said


@operation("cri")
def cri_sysctls(engine: CRI) -> None:
    """sysctls of a pod."""
    sysctls = {"kernel.shm_rmid_forced": "1", "net.ipv4.ip_unprivileged_port_start": "79"}
    with engine.pod(network=True, linux={"sysctls": sysctls}) as pod:
        files = " ".join("/proc/sys/" + name.replace(".", "/") for name in sysctls)
        assert pod.says(f"cat {files}") == "1\n79\n"


@operation("cri")
def cri_mounts(engine: CRI) -> None:
    """mounts: writable, read-only; what is mounted there later: private, seen inside, seen outside."""
    shared = engine.place / "shared"
    for kind in ("private", "inside", "outside"):
        (shared / kind / "point").mkdir(parents=True)
    (shared / "file").write_text("of the host\n")

    def mount(name: str, **more: object) -> dict[str, object]:
        return {"container_path": f"/mnt/{name}", "host_path": str(shared / name), **more}

    mounts = [
        {"container_path": "/shared", "host_path": str(shared), "readonly": True},
        mount("private"),
        mount("inside", propagation="PROPAGATION_HOST_TO_CONTAINER"),
        mount("outside", propagation="PROPAGATION_BIDIRECTIONAL"),
    ]
    with engine.pod(linux={"security_context": {**NODE, "privileged": True}}) as pod:
        container = pod.start(mounts=mounts, **secured(privileged=True))
        said = container.exec("sh", "-c", "cat /shared/file; touch /shared/new || echo refused")
        assert said == "of the host\nrefused\n"
        for kind in ("private", "inside"):
            engine.machine.run("mount", "-t", "tmpfs", "of-host", shared / kind / "point")
        container.exec("mount", "-t", "tmpfs", "of-container", "/mnt/outside/point")
        inside = container.exec("cat", "/proc/mounts")
        assert "of-host /mnt/inside/point" in inside
        assert "/mnt/private/point" not in inside
        outside = engine.machine.run("cat", "/proc/mounts").out
        assert f"of-container {shared}/outside/point" in outside
        for kind in ("private", "inside", "outside"):
            engine.machine.run("umount", shared / kind / "point")


@operation("cri")
def cri_devices(engine: CRI) -> None:
    """devices: one of the host, with the rights that were given."""
    device = {"container_path": "/dev/kmsg", "host_path": "/dev/kmsg", "permissions": "w"}
    with engine.pod() as pod:
        assert pod.says(": >/dev/kmsg && echo opened", devices=[device]) == "opened\n"
        made = "[ ! -e /dev/kmsg ] && mknod /tmp/kmsg c 1 11 && ( : >/tmp/kmsg ) || echo refused"
        assert pod.says(made) == "refused\n"


@operation("cri")
def cri_memory(engine: CRI) -> None:
    """memory_limit_in_bytes: who goes beyond it is killed, and that is the reason told."""
    with engine.pod() as pod:
        # The first process outlives it for a while, in which containerd is told of it: with the cgroup that goes too.
        hungry = "tail -c 200m /dev/zero; status=$?; sleep 1; exit $status"
        container = pod.start("sh", "-c", hungry, **limited(memory_limit_in_bytes=32 << 20))
        ended = container.ended()
        assert (ended.exit_code, ended.reason) == (137, "OOMKilled")


@operation("cri")
def cri_update(engine: CRI) -> None:
    """UpdateContainerResources: of memory and CPU, in force."""
    with engine.container(**limited(memory_limit_in_bytes=64 << 20)) as container:
        limits = {"memory_limit_in_bytes": 128 << 20, "cpu_quota": 50000, "cpu_period": 100000, "cpu_shares": 512}
        container("UpdateContainerResources", linux=limits)
        assert engine.setting(container.id, "memory.limit_in_bytes", "memory.max") == [str(128 << 20)]
        assert engine.setting(container.id, "cpu.cfs_quota_us", "cpu.max")[0] == "50000"
        # As shares, or the weight for them by runc's formula of before version 1.3.2, or the one since.
        assert engine.setting(container.id, "cpu.shares", "cpu.weight")[0] in ("512", "20", "59")


@operation("cri")
def cri_cgroup_parent(engine: CRI) -> None:
    """cgroup_parent of a pod: its containers are below it."""
    with engine.pod(linux={"security_context": NODE, "cgroup_parent": "/kubepods"}) as pod:
        container = pod.start()
        assert any((top / "kubepods" / container.id).exists() for top in engine.machine.cgroups)
