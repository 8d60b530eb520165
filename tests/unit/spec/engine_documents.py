"""Configs as engines write them."""

ENGINES = [
    {
        # As dockerd writes: 0 for unset, a hook by way of /proc, the recursive form of the propagation.
        "ociVersion": "1.1.0",
        "process": {
            "terminal": True,
            "consoleSize": {"height": 0, "width": 0},
            "user": {"uid": 0, "gid": 0, "additionalGids": [0, 10]},
            "args": ["/bin/sh"],
            "env": ["PATH=/usr/bin:/bin", "HOSTNAME=5a", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {name: ["CAP_CHOWN", "CAP_AUDIT_WRITE"] for name in ("bounding", "effective", "permitted")},
            "apparmorProfile": "docker-default",
            "oomScoreAdj": 0,
        },
        "root": {"path": "/var/lib/docker/overlay2/5a/merged"},
        "hostname": "5a",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {
                "destination": "/etc/hosts",
                "type": "bind",
                "source": "/var/lib/docker/h",
                "options": ["rbind", "rprivate"],
            },
        ],
        "hooks": {
            "prestart": [{"path": "/proc/812/exe", "args": ["libnetwork-setkey", "-exec-root=/run/docker", "5a"]}]
        },
        "linux": {
            "sysctl": {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"},
            "resources": {
                "devices": [
                    {"allow": False, "access": "rwm"},
                    {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rwm"},
                    {"allow": True, "type": "c", "major": 5, "access": "rwm"},
                ],
                "memory": {"disableOOMKiller": False},
                "cpu": {"shares": 0},
                "pids": {"limit": 0},
                "blockIO": {"weight": 0},
            },
            "cgroupsPath": "/docker/5a",
            "namespaces": [{"type": kind} for kind in ("mount", "network", "uts", "pid", "ipc", "cgroup")],
            "rootfsPropagation": "rslave",
            "maskedPaths": ["/proc/kcore"],
            "readonlyPaths": ["/proc/sys"],
        },
    },
    {
        # As containerd's CRI plugin and podman write: joined namespaces, empty lists as null.
        "ociVersion": "1.0.2-dev",
        "process": {
            "user": {"uid": 1000, "gid": 1000, "additionalGids": None},
            "args": ["sleep", "1"],
            "env": None,
            "cwd": "/",
            "capabilities": {"bounding": ["CAP_CHOWN"], "ambient": None},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
            "oomScoreAdj": -997,
        },
        "root": {"path": "rootfs", "readonly": True},
        "mounts": [{"destination": "/dev/shm", "type": "bind", "source": "/run/shm", "options": ["rbind", "ro"]}],
        "annotations": {"io.kubernetes.cri.container-type": "container", "empty": ""},
        "hooks": None,
        "linux": {
            "uidMappings": None,
            "devices": [
                {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 8630, "uid": 0, "gid": 0}
            ],
            "resources": {
                "devices": [{"allow": False, "access": "rwm"}],
                "memory": {"limit": 0, "swap": 0},
                "cpu": {"shares": 2, "quota": 0, "period": 100000},
                "unified": {"memory.oom.group": "1"},
            },
            "cgroupsPath": "kubepods-besteffort.slice:cri-containerd:5a",
            "namespaces": [
                {"type": "pid"},
                {"type": "ipc", "path": "/proc/914/ns/ipc"},
                {"type": "uts", "path": "/proc/914/ns/uts"},
                {"type": "mount"},
                {"type": "network", "path": "/proc/914/ns/net"},
            ],
            "seccomp": None,
        },
    },
]
