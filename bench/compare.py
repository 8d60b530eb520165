"""One paired comparison: the runtimes take turns at every operation, so that what slows the machine slows them all."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.lifecycle import OPERATIONS, Runtime

PR_SET_CHILD_SUBREAPER = 36

# What /sys/fs/cgroup of a unified host looks like; the rest of the host's mounts stay as they are.
_UNIFIED = 'umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"'


def in_unified_namespace(line: "list[str]") -> "list[str]":
    """The command line that runs ``line`` where cgroup v2 alone is mounted."""
    return ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", _UNIFIED, "sh", *line]


def compare(commands: "dict[str, str]", rounds: int) -> "dict[str, dict[str, list[float]]]":
    """Name → operation → milliseconds, one a round; and ``peak`` in KiB.  ``library`` is ocipy's, without a command."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    cgroup = f"/ocipy-bench-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="ocipy-bench-") as name:
        work = Path(name)
        rootfs, config = _bundle(commands["ocipy"], work)
        runtimes = [Runtime(each, command, work, rootfs, config, cgroup) for each, command in commands.items()]
        parents = _make_cgroups(cgroup)
        try:
            return _measure(runtimes, work, rounds)
        finally:
            for runtime in runtimes:
                runtime.clean()
            for parent in parents:
                os.rmdir(parent)


def _measure(runtimes: "list[Runtime]", work: Path, rounds: int) -> "dict[str, dict[str, list[float]]]":
    samples: dict[str, dict[str, list[float]]] = {r.name: {op: [] for op in OPERATIONS} for r in runtimes}
    library = next(runtime for runtime in runtimes if runtime.name == "ocipy").bundles["true"]
    samples["library"] = {"run": []}
    for number in range(-1, rounds):  # the first is for the caches
        for operation in OPERATIONS:
            for runtime in runtimes if number % 2 else reversed(runtimes):
                elapsed = runtime.time(operation)
                if number >= 0:
                    samples[runtime.name][operation].append(elapsed)
        elapsed = _run_in_process(library, work / "library")
        if number >= 0:
            samples["library"]["run"].append(elapsed)
    for runtime in runtimes:
        samples[runtime.name]["peak"] = [runtime.peak_kib() for _ in range(min(rounds, 5))]
    return samples


def _run_in_process(bundle: str, root: Path) -> float:
    from ocipy import Container

    before = time.perf_counter_ns()
    status = Container.run("l", bundle, root=str(root))
    elapsed = time.perf_counter_ns() - before
    assert status == 0
    return elapsed / 1e6


def _bundle(ocipy: str, work: Path) -> "tuple[Path, dict[str, dict[str, object]]]":
    """A root filesystem of busybox, and a config that every runtime takes in either cgroup layout."""
    subprocess.run([ocipy, "bundle", str(work / "bundle"), "--busybox", "--", "true"], check=True, capture_output=True)
    config = json.loads((work / "bundle" / "config.json").read_text())
    config["ociVersion"] = "1.0.2"  # older releases of crun refuse newer ones
    config["process"]["capabilities"].pop("ambient", None)
    config["linux"].pop("resources", None)
    return work / "bundle" / "rootfs", config


def _make_cgroups(cgroup: str) -> "list[str]":
    """The parents of the containers' cgroups, which an engine would have made as well."""
    mounts = [line.split(" ") for line in Path("/proc/self/mounts").read_text().splitlines()]
    own = [mount[1] for mount in mounts if mount[2] in ("cgroup", "cgroup2") and mount[1].startswith("/sys/fs/cgroup")]
    parents = [mount + cgroup for mount in own]
    for parent in parents:
        os.mkdir(parent)
    return parents


def main() -> None:
    """Child of ``python -m bench``: compare, and print the samples as JSON.  Arguments: ROUNDS NAME=COMMAND..."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was made is removed
    commands = dict(argument.split("=", 1) for argument in sys.argv[2:])
    print(json.dumps(compare(commands, int(sys.argv[1]))))


if __name__ == "__main__":
    main()
