"""What each named check finds, and what it must leave alone."""

import copy

from ocipy.spec import checks, load

from .documents import MINIMAL


def completed(document):
    config = copy.deepcopy(document)
    load.complete(config)
    return config


def process(**members):
    return {**MINIMAL, "process": {**MINIMAL["process"], **members}}


def linux(*namespaces, **members):
    """A config whose ``linux`` has new namespaces of these kinds, and these members."""
    return {**MINIMAL, "linux": {"namespaces": [{"type": kind} for kind in namespaces], **members}}


DEADLINE = {"runtime": 5, "deadline": 5}


def with_start_hook(**scheduler):
    return {**process(scheduler=scheduler), "hooks": {"startContainer": [{"path": "/a"}]}}


def policy(mode, nodes, *flags):
    """A config with that memory policy."""
    return linux(memoryPolicy={"mode": mode, "nodes": nodes, "flags": [f"MPOL_F_{flag}" for flag in flags]})


def mapping(container, host, size):
    return {"containerID": container, "hostID": host, "size": size}


ALL = [mapping(0, 100000, 65536)]
USER = {"uidMappings": ALL, "gidMappings": ALL}
BIND = {"destination": "/a", "source": "/b", "options": ["bind"]}
NOTHING = ()


def owned(*options):
    """A mount with these options."""
    return {"destination": "/a", "type": "tmpfs", "options": list(options)}


# (check, document, pointers of what it finds)
CASES = [
    *(
        ("check_version", {**MINIMAL, "ociVersion": version}, ["/ociVersion"])
        for version in ("", "x", "1", "1.0", "1.0.0.0", "v1.0.0", "1.0.x", "1.01.0", "1.0.0-", "1.0.0-a..b", "1.-1.0",
                        "2.0.0", "0.5.0-dev", "1.0.0-ü", "١.0.0")
    ),
    *(
        ("check_version", {**MINIMAL, "ociVersion": version}, NOTHING)
        for version in ("1.0.0", "1.0.2-dev", "1.0.0-rc5", "1.0.0-rc.1+build.7", "1.3.0", "1.4.0", "1.99.7")
    ),
    ("check_presence", {"ociVersion": "1.0.0"}, [""]),
    ("check_presence", MINIMAL, NOTHING),
    ("check_presence", {"ociVersion": "1.0.0", "root": {"path": "a"}}, NOTHING),
    ("warn_presence", {"ociVersion": "1.0.0", "root": {"path": "a"}}, [""]),
    ("warn_presence", MINIMAL, NOTHING),
    ("check_console_size", process(terminal=True, consoleSize={"height": 65536, "width": 1}),
     ["/process/consoleSize/height"]),
    ("check_console_size", process(terminal=True, consoleSize={"height": 0, "width": 65535, "depth": 2**20}), NOTHING),
    ("check_console_size", process(consoleSize={"height": 65536, "width": 65536}), NOTHING),
    ("check_names", {**MINIMAL, "hostname": "a" * 65}, ["/hostname"]),
    ("check_names", {**MINIMAL, "domainname": "é" * 33}, ["/domainname"]),
    ("check_names", {**MINIMAL, "hostname": "a" * 64, "domainname": ""}, NOTHING),
    ("check_cwd", process(cwd=""), ["/process/cwd"]),
    ("check_cwd", process(cwd="tmp"), ["/process/cwd"]),
    ("check_cwd", process(cwd="/tmp/../x"), NOTHING),
    ("check_args", process(args=[]), ["/process/args"]),
    ("check_args", {**MINIMAL, "process": {"cwd": "/"}}, ["/process/args"]),
    ("check_args", process(args=[""]), NOTHING),
    ("check_env", process(env=["A=b", "A", "=b", ""]), ["/process/env/1", "/process/env/2", "/process/env/3"]),
    ("check_env", process(env=["A=", "A=b=c", "a b.c=1"]), NOTHING),
    ("check_user", process(user={"uid": 2**32 - 1}), ["/process/user/uid"]),
    ("check_user", process(user={"gid": 2**32 - 1}), ["/process/user/gid"]),
    ("check_user", process(user={"additionalGids": [1, 2**32 - 1]}), ["/process/user/additionalGids/1"]),
    ("check_user", process(user={"uid": 2**32 - 2}), NOTHING),
    ("check_rlimits", process(rlimits=[{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}]), ["/process/rlimits/0/type"]),
    ("check_rlimits", process(rlimits=[{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]), ["/process/rlimits/0/soft"]),
    ("check_rlimits", process(rlimits=[{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2), ["/process/rlimits/1/type"]),
    ("check_rlimits", process(rlimits=[{"type": name, "soft": 0, "hard": 2**64 - 1} for name in checks.RLIMITS]),
     NOTHING),
    ("check_oom_score", process(oomScoreAdj=-1001), ["/process/oomScoreAdj"]),
    ("check_oom_score", process(oomScoreAdj=1001), ["/process/oomScoreAdj"]),
    ("check_oom_score", process(oomScoreAdj=-1000), NOTHING),
    ("check_scheduler", process(scheduler={"policy": "SCHED_OTHER", "nice": 20}), ["/process/scheduler/nice"]),
    ("check_scheduler", process(scheduler={"policy": "SCHED_BATCH", "nice": -21}), ["/process/scheduler/nice"]),
    ("check_scheduler", process(scheduler={"policy": "SCHED_OTHER", "priority": 1}), ["/process/scheduler/priority"]),
    ("check_scheduler", process(scheduler={"policy": "SCHED_FIFO"}), ["/process/scheduler/priority"]),
    ("check_scheduler", process(scheduler={"policy": "SCHED_RR", "priority": 100}), ["/process/scheduler/priority"]),
    ("check_scheduler", process(scheduler={"policy": "SCHED_RR", "priority": 99}), NOTHING),
    (
        "check_scheduler",
        process(scheduler={"policy": "SCHED_IDLE", "runtime": 1, "deadline": 1, "period": 1}),
        [f"/process/scheduler/{name}" for name in ("runtime", "deadline", "period")],
    ),
    ("check_scheduler", process(scheduler={"policy": "SCHED_DEADLINE", "deadline": 5}), ["/process/scheduler"]),
    ("check_scheduler", process(scheduler={"policy": "SCHED_DEADLINE", "runtime": 6, "deadline": 5}),
     ["/process/scheduler"]),
    (
        "check_scheduler",
        process(scheduler={"policy": "SCHED_DEADLINE", "runtime": 5, "deadline": 5, "period": 4}),
        ["/process/scheduler"],
    ),
    ("check_scheduler", process(scheduler={"policy": "SCHED_DEADLINE", "runtime": 5, "deadline": 5}), NOTHING),
    ("check_scheduler", process(scheduler={"policy": "SCHED_OTHER", "nice": -20, "priority": 0}), NOTHING),
    ("check_scheduler", process(scheduler={"policy": "SCHED_ISO"}), ["/process/scheduler/policy"]),
    ("check_scheduler", process(scheduler={"policy": "SCHED_FIFO", "flags": ["SCHED_FLAG_KEEP_POLICY"]}), NOTHING),
    *(("check_scheduler",
       process(scheduler={"policy": "SCHED_FIFO", "flags": ["SCHED_FLAG_KEEP_POLICY"], "priority": priority}),
       ["/process/scheduler/priority"])
      for priority in (-1, 100)),
    ("check_scheduler", with_start_hook(policy="SCHED_DEADLINE", **DEADLINE), ["/process/scheduler"]),
    ("check_scheduler", with_start_hook(policy="SCHED_DEADLINE", **DEADLINE, flags=["SCHED_FLAG_RESET_ON_FORK"]),
     NOTHING),
    ("check_io_priority", process(ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 8}),
     ["/process/ioPriority/priority"]),
    ("check_io_priority", process(ioPriority={"class": "IOPRIO_CLASS_BE", "priority": -1}),
     ["/process/ioPriority/priority"]),
    ("check_io_priority", process(ioPriority={"class": "IOPRIO_CLASS_IDLE"}), NOTHING),
    ("check_affinity", process(execCPUAffinity={"initial": "3-1"}), ["/process/execCPUAffinity/initial"]),
    ("check_affinity", process(execCPUAffinity={"final": "1-2-3"}), ["/process/execCPUAffinity/final"]),
    ("check_affinity", process(execCPUAffinity={"final": "0-8192"}), ["/process/execCPUAffinity/final"]),
    ("check_affinity", process(execCPUAffinity={"final": "-1"}), ["/process/execCPUAffinity/final"]),
    ("check_affinity", process(execCPUAffinity={"initial": "", "final": " 0 - 3, 7,"}), NOTHING),
    ("check_hooks", {**MINIMAL, "hooks": {"poststop": [{"path": "/a"}, {"path": "a"}]}}, ["/hooks/poststop/1/path"]),
    ("check_hooks", {**MINIMAL, "hooks": {"poststop": [{"path": "/a"}], "other": 3}}, NOTHING),
    ("check_hooks", {**MINIMAL, "hooks": {"prestart": [{"path": "/a", "env": ["A=", "B", "=c"]}]}},
     ["/hooks/prestart/0/env/1", "/hooks/prestart/0/env/2"]),
    (
        "check_namespaces",
        linux(namespaces=[{"type": "pid"}, {"type": "pid", "path": "/a"}]),
        ["/linux/namespaces/1/type"],
    ),
    ("check_namespaces", linux(namespaces=[{"type": "network", "path": "a"}]), ["/linux/namespaces/0/path"]),
    ("check_namespaces", linux(namespaces=[{"type": "network", "path": ""}, {"type": "pid", "path": "/a"}]), NOTHING),
    ("check_hidden_paths", linux("mount", maskedPaths=["/a", "b"], readonlyPaths=["./c", "/d"]),
     ["/linux/maskedPaths/1", "/linux/readonlyPaths/0"]),
    ("check_hidden_paths", linux("mount", maskedPaths=["/a"], readonlyPaths=["/"]), NOTHING),
    ("check_hidden_paths", linux("mount", maskedPaths=[""]), ["/linux/maskedPaths/0"]),
    ("check_needed_namespaces", {**MINIMAL, "hostname": "a", "domainname": "b"}, ["/hostname", "/domainname"]),
    ("check_needed_namespaces", {**linux("uts"), "hostname": "a", "domainname": "b"}, NOTHING),
    ("check_needed_namespaces", {**MINIMAL, "hostname": ""}, NOTHING),
    (
        "check_needed_namespaces",
        linux(maskedPaths=["/a"], readonlyPaths=["/a"]),
        ["/linux/maskedPaths", "/linux/readonlyPaths"],
    ),
    ("check_needed_namespaces", linux("mount", maskedPaths=["/a"], readonlyPaths=["/a"]), NOTHING),
    ("check_needed_namespaces", linux(**USER), NOTHING),
    ("check_needed_namespaces", {**MINIMAL, "mounts": [BIND], "root": {"path": "a", "readonly": True}},
     ["/mounts", "/root/readonly"]),
    ("check_needed_namespaces", {**linux("mount"), "mounts": [BIND], "root": {"path": "a", "readonly": True}}, NOTHING),
    ("check_needed_namespaces", {**MINIMAL, "mounts": [], "root": {"path": "a", "readonly": False}}, NOTHING),
    ("check_needed_namespaces", linux(netDevices={"eth0": {}}), ["/linux/netDevices"]),
    ("check_needed_namespaces", linux("network", netDevices={"eth0": {}}), NOTHING),
    ("check_needed_namespaces", linux(uidMappings=[], timeOffsets={}, netDevices={}), NOTHING),
    ("check_id_mappings", linux("user"), ["/linux", "/linux"]),
    ("check_id_mappings", linux("user", uidMappings=ALL), ["/linux"]),
    ("check_id_mappings", linux("user", **USER), NOTHING),
    ("check_id_mappings", linux(namespaces=[{"type": "user", "path": "/proc/1/ns/user"}]), NOTHING),
    ("check_id_mappings", linux("user", uidMappings=ALL, gidMappings=[mapping(1, 1, 5)]),
     ["/linux/gidMappings"]),
    ("check_id_mappings", linux("user", uidMappings=ALL, gidMappings=[*ALL, mapping(70000, 7, 0)]),
     ["/linux/gidMappings/1/size"]),
    ("check_id_mappings", linux("user", uidMappings=ALL, gidMappings=[*ALL, mapping(65535, 7, 3)]),
     ["/linux/gidMappings/1"]),
    ("check_id_mappings", linux("user", uidMappings=ALL, gidMappings=[*ALL, mapping(70000, 99999, 2)]),
     ["/linux/gidMappings/0"]),
    ("check_id_mappings", linux("user", uidMappings=ALL, gidMappings=[*ALL, mapping(65536, 165536, 3)]), NOTHING),
    ("check_id_mappings", linux("user", uidMappings=ALL, gidMappings=[mapping(0, 2**32 - 3, 3)]),
     ["/linux/gidMappings/0/size"]),
    ("check_id_mappings", linux("user", uidMappings=ALL, gidMappings=[mapping(0, 2**32 - 3, 2)]), NOTHING),
    ("check_id_mappings", linux("user", uidMappings=ALL, gidMappings=[mapping(i, i, 1) for i in range(341)]),
     ["/linux/gidMappings"]),
    ("check_id_mappings", {**linux("user", **USER), "process": process(user={"uid": 65536})["process"]},
     ["/process/user/uid"]),
    ("check_id_mappings", {**linux("user", **USER), "process": process(user={"additionalGids": [1, 70000]})["process"]},
     ["/process/user/additionalGids/1"]),
    ("check_id_mappings", process(user={"uid": 4000000}), NOTHING),
    ("check_mount_mappings", {**MINIMAL, "mounts": [{**BIND, **USER, "options": []}]}, ["/mounts/0"]),
    ("check_mount_mappings", {**MINIMAL, "mounts": [{**BIND, "uidMappings": ALL}]}, ["/mounts/0"]),
    ("check_mount_mappings", {**MINIMAL, "mounts": [{**BIND, "options": ["rbind", "ridmap"]}]}, ["/mounts/0"]),
    ("check_mount_mappings", {**linux("user", **USER), "mounts": [{**BIND, "options": ["bind", "idmap"]}]}, NOTHING),
    ("check_mount_mappings", {**MINIMAL, "mounts": [{**BIND, **USER}, BIND]}, NOTHING),
    ("check_mount_owners", {**linux("user", **USER), "mounts": [owned("gid=65536"), owned("mode=1", "uid=70000")]},
     ["/mounts/0/options/0", "/mounts/1/options/1"]),
    ("check_mount_owners", {**linux("user", **USER), "mounts": [owned("gid=5", "uid=0", "gid=x", "uid=", "gid=²")]},
     NOTHING),
    ("check_mount_owners", {**linux("user", **USER), "mounts": [owned("bind", "gid=70000")]},
     NOTHING),
    ("check_mount_owners", {**linux("mount"), "mounts": [owned("gid=70000")]}, NOTHING),
    ("check_mount_owners", {**linux("user"), "mounts": [owned("gid=70000")]}, NOTHING),
    ("check_mount_mappings", {**MINIMAL, "mounts": [{**BIND, **USER, "gidMappings": [*ALL, *ALL]}]},
     ["/mounts/0/gidMappings/1", "/mounts/0/gidMappings/1"]),
    ("check_time_offsets", linux(timeOffsets={"boottime": {"secs": 1}}), ["/linux/timeOffsets"]),
    ("check_time_offsets", linux(namespaces=[{"type": "time", "path": "/t"}], timeOffsets={"boottime": {"secs": 1}}),
     ["/linux/timeOffsets"]),
    ("check_time_offsets", linux(timeOffsets={}), NOTHING),
    ("check_time_offsets", linux("time", timeOffsets={"monotonic": {"nanosecs": 10**9}}),
     ["/linux/timeOffsets/monotonic/nanosecs"]),
    ("check_time_offsets", linux("time", timeOffsets={"boottime": {"nanosecs": 10**9 - 1}, "other": 4}), NOTHING),
    ("check_sysctls", linux("ipc", "network", "uts", sysctl=dict.fromkeys((
        "kernel.shmmax", "kernel/sem", "fs.mqueue.a", "net.ipv4.ip_forward", "net/ipv4/conf/a.b/x",
        "net.ipv4.conf.a/b.x", "kernel.domainname",
    ), "1")), NOTHING),
    ("check_sysctls", linux("network", sysctl={"kernel.shmmax": "1"}), ["/linux/sysctl/kernel.shmmax"]),
    ("check_sysctls", linux("network", sysctl={"fs/mqueue/a": "1"}), ["/linux/sysctl/fs~1mqueue~1a"]),
    ("check_sysctls", linux("ipc", sysctl={"net.core.somaxconn": "1"}), ["/linux/sysctl/net.core.somaxconn"]),
    ("check_sysctls", linux(sysctl={"kernel.domainname": "a"}), ["/linux/sysctl/kernel.domainname"]),
    ("check_sysctls", linux("uts", sysctl={"kernel.hostname": "a"}), ["/linux/sysctl/kernel.hostname"]),
    *(
        ("check_sysctls", linux("ipc", "network", "uts", sysctl={name: "1"}),
         [f"/linux/sysctl/{name.replace('/', '~1')}"])
        for name in ("kernel.core_pattern", "vm.swappiness", "kernel", "", "net", "netx.a", "net..a", "net/../kernel/x",
                     "net/./a", "net.ipv4.", "/net/a", "net.a/../b", "kernel.shmmaxx", "fs.mqueuex", "net.//.a")
    ),
    ("check_devices", linux(devices=[{"type": "c", "path": "/a", "major": 1}]), ["/linux/devices/0"]),
    ("check_devices", linux(devices=[{"type": "b", "path": "/a"}]), ["/linux/devices/0", "/linux/devices/0"]),
    ("check_devices", linux(devices=[{"type": "u", "path": "/a", "major": -1, "minor": 0}]),
     ["/linux/devices/0/major"]),
    ("check_devices", linux(devices=[{"type": "p", "path": "/a"}, {"type": "c", "path": "/a", "major": 0, "minor": 0}]),
     NOTHING),
    ("check_device_rules", linux(resources={"devices": [{"allow": True, "type": "p"}]}),
     ["/linux/resources/devices/0/type"]),
    ("check_device_rules", linux(resources={"devices": [{"allow": True, "access": ""}]}),
     ["/linux/resources/devices/0/access"]),
    ("check_device_rules", linux(resources={"devices": [{"allow": True, "access": "rx"}]}),
     ["/linux/resources/devices/0/access"]),
    ("check_device_rules", linux(resources={"devices": [{"allow": True, "minor": -2}]}),
     ["/linux/resources/devices/0/minor"]),
    ("check_device_rules", linux(resources={"devices": [{"allow": True, "type": "", "major": -1, "access": "mrw"}]}),
     NOTHING),
    ("check_cgroups_path", linux(cgroupsPath="/a/b c"), NOTHING),
    ("check_cgroups_path", linux(cgroupsPath="/a\nb"), ["/linux/cgroupsPath"]),
    ("check_resources", linux(resources={"memory": {"limit": 10, "swap": 9}}), ["/linux/resources/memory/swap"]),
    ("check_resources", linux(resources={"memory": {"limit": 10, "swap": 10}}), NOTHING),
    ("check_resources", linux(resources={"memory": {"limit": 10, "swap": -1}}), NOTHING),
    ("check_resources", linux(resources={"memory": {"limit": -1, "swap": 5}}), NOTHING),
    ("check_resources", linux(resources={"cpu": {"quota": 5, "burst": 6}}), ["/linux/resources/cpu/burst"]),
    ("check_resources", linux(resources={"cpu": {"quota": -1, "burst": 6}}), NOTHING),
    ("check_resources", linux(resources={"unified": {"a/b": "1", "..": "1", "memory.high": "1"}}),
     ["/linux/resources/unified/a~1b", "/linux/resources/unified/.."]),
    *(
        ("check_net_devices", linux("network", netDevices={name: {}}), [f"/linux/netDevices/{name.replace('/', '~1')}"])
        for name in ("", ".", "..", "a/b", "a:b", "a b", "a" * 16)
    ),
    ("check_net_devices", linux("network", netDevices={"a": {"name": "b\t"}}), ["/linux/netDevices/a/name"]),
    ("check_net_devices", linux("network", netDevices={"lo": {}}), ["/linux/netDevices/lo"]),
    ("check_net_devices", linux("network", netDevices={"a": {"name": "x"}, "x": {}}), ["/linux/netDevices/x"]),
    ("check_net_devices", linux("network", netDevices={"a": {"name": "x"}, "b": {"name": "x"}}),
     ["/linux/netDevices/b/name"]),
    ("check_net_devices", linux("network", netDevices={"a": {"name": "n%d"}, "b": {"name": "n%d"}}), NOTHING),
    ("check_net_devices", linux("network", netDevices={"a": {"name": "n%s"}, "b": {"name": "%d%d"}}),
     ["/linux/netDevices/a/name", "/linux/netDevices/b/name"]),
    ("check_net_devices", linux("network", netDevices={"eth1": {"name": "eth0"}, "a" * 15: {"name": ""}}), NOTHING),
    *(
        ("check_intel_rdt", linux(intelRdt={"closID": name}), ["/linux/intelRdt/closID"])
        for name in (".", "..", "a/b", "//")
    ),
    ("check_intel_rdt", linux(intelRdt={"closID": "/"}), NOTHING),
    ("check_intel_rdt", linux(intelRdt={"schemata": ["L3:0=f", "MB:0=10\nMB:1=10"]}), ["/linux/intelRdt/schemata/1"]),
    ("check_intel_rdt", linux(intelRdt={"closID": "a"}), NOTHING),
    ("check_personality", linux(personality={}), ["/linux/personality"]),
    ("check_personality", linux(personality={"domain": "LINUX32"}), NOTHING),
    ("check_personality", linux(personality={"domain": "LINUX", "flags": ["X"]}), ["/linux/personality/flags"]),
    ("check_personality", linux(personality={"domain": "LINUX", "flags": []}), NOTHING),
    ("check_memory_policy", linux(memoryPolicy={}), ["/linux/memoryPolicy"]),
    ("check_memory_policy", linux(memoryPolicy={"mode": "MPOL_BIND", "nodes": "a"}), ["/linux/memoryPolicy/nodes"]),
    ("check_memory_policy", linux(memoryPolicy={"mode": "MPOL_BIND"}), ["/linux/memoryPolicy"]),
    ("check_memory_policy", linux(memoryPolicy={"mode": "MPOL_LOCAL", "nodes": "0"}), ["/linux/memoryPolicy/nodes"]),
    ("check_memory_policy", linux(memoryPolicy={"mode": "MPOL_PREFERRED"}), NOTHING),
    ("check_memory_policy", policy("MPOL_BIND", "1024"), ["/linux/memoryPolicy/nodes"]),
    ("check_memory_policy", policy("MPOL_BIND", "1023"), NOTHING),
    ("check_memory_policy", policy("MPOL_BIND", "0", "STATIC_NODES", "RELATIVE_NODES"), ["/linux/memoryPolicy/flags"]),
    ("check_memory_policy", policy("MPOL_PREFERRED", "", "STATIC_NODES"), ["/linux/memoryPolicy/flags"]),
    ("check_memory_policy", policy("MPOL_LOCAL", "", "RELATIVE_NODES"), ["/linux/memoryPolicy/flags"]),
    ("check_memory_policy", policy("MPOL_PREFERRED", "0", "STATIC_NODES"), NOTHING),
    ("check_memory_policy", policy("MPOL_INTERLEAVE", "0", "NUMA_BALANCING"), ["/linux/memoryPolicy/flags"]),
    ("check_memory_policy", policy("MPOL_BIND", "0", "NUMA_BALANCING", "STATIC_NODES"), NOTHING),
    ("check_memory_policy", linux(memoryPolicy={"mode": "MPOL_DEFAULT", "nodes": ""}), NOTHING),
    ("warn_version", {**MINIMAL, "ociVersion": "1.4.0"}, ["/ociVersion"]),
    ("warn_version", {**MINIMAL, "ociVersion": "1.3.9"}, NOTHING),
    ("warn_capabilities", process(capabilities={"bounding": ["CAP_KILL", "CAP_X"], "ambient": ["CAP_X", "cap_kill"]}),
     ["/process/capabilities/bounding/1", "/process/capabilities/ambient/1"]),
    ("warn_capabilities", process(capabilities={"bounding": ["CAP_KILL"], "other": [[]]}), NOTHING),
    ("warn_umask", process(user={"umask": 0o1000}), ["/process/user/umask"]),
    ("warn_umask", process(user={"umask": 0o777}), NOTHING),
    ("warn_mounts", {**MINIMAL, "mounts": [{"destination": "/a"}, {"destination": "a"}]}, ["/mounts/1/destination"]),
    ("check_annotations", {**MINIMAL, "annotations": {"": "a"}}, ["/annotations/"]),
    ("check_annotations", {**MINIMAL, "annotations": {"a": ""}}, NOTHING),
    ("warn_paths", linux("mount", maskedPaths=["/a", "b"], readonlyPaths=["c"], devices=[{"type": "p", "path": "d"}]),
     ["/linux/maskedPaths/1", "/linux/readonlyPaths/0", "/linux/devices/0/path"]),
    ("warn_unused_mappings", linux(namespaces=[{"type": "user", "path": "/a"}], uidMappings=ALL),
     ["/linux/uidMappings"]),
    ("warn_unused_mappings", linux("pid", **USER), ["/linux/uidMappings", "/linux/gidMappings"]),
    ("warn_unused_mappings", linux("user", **USER), NOTHING),
    ("warn_resources", linux(resources={"memory": {"kernel": 2, "kernelTCP": 1, "swappiness": 101}}),
     [f"/linux/resources/memory/{name}" for name in ("kernel", "kernelTCP", "swappiness")]),
    ("check_resources",
     linux(resources={"blockIO": {"weightDevice": [{"major": 1, "minor": 1}]}, "rdma": {"a/b": {}}}),
     ["/linux/resources/blockIO/weightDevice/0", "/linux/resources/rdma/a~1b"]),
    ("check_resources", linux(resources={"rdma": {"a": {"hcaHandles": 0}}}), NOTHING),
    ("warn_resources", linux(resources={"memory": {"swappiness": 100}}), NOTHING),
]  # fmt: skip
