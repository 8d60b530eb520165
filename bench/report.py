"""Samples to tables, in Markdown."""

import platform
import subprocess
from statistics import median

from bench.lifecycle import OPERATIONS

Samples = dict[str, dict[str, list[float]]]


def table(samples: Samples, other: str) -> str:
    """Rows of operations; minimum and median of ocipy and the other, and ocipy's share of the other's."""
    rows = [
        f"| | ocipy min | ocipy median | {other} min | {other} median | ratio of minima | ratio of medians |",
        "|:--|--:|--:|--:|--:|--:|--:|",
    ]
    rows += [_row(f"`{each}` ms", samples["ocipy"][each], samples[other][each], 1) for each in OPERATIONS]
    rows.append(_row("`Container.run` in process ms", samples["library"]["run"], samples[other]["run"], 1))
    rows.append(_row("peak memory of `run` MiB", samples["ocipy"]["peak"], samples[other]["peak"], 1024))
    return "\n".join(rows)


def _row(label: str, ours: "list[float]", theirs: "list[float]", unit: int) -> str:
    cells = [f"{function(values) / unit:.1f}" for values in (ours, theirs) for function in (min, median)]
    ratios = [f"{function(ours) / function(theirs):.2f}" for function in (min, median)]
    return f"| {label} | {' | '.join(cells + ratios)} |"


def machine(commands: "dict[str, str]") -> str:
    """What was measured, and on what."""
    versions = [f"{name} {_version(command)}" for name, command in commands.items()]
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    processor = f"{len(models)} × {models[0]}" if models else platform.machine()
    kernel = platform.release().partition("-")[0]
    return f"Linux {kernel}, {processor}, Python {platform.python_version()}; {', '.join(versions)}."


def _version(command: str) -> str:
    done = subprocess.run([command, "--version"], check=True, capture_output=True, text=True)
    return done.stdout.split("\n", 1)[0].split()[-1]


def page(comparisons: "dict[str, Samples]", commands: "dict[str, str]", rounds: int) -> str:
    """docs/performance.md."""
    return f"""# Performance

Written by `python -m bench --write`. {machine(commands)}

{rounds} rounds. In each, the two runtimes of a table take turns at every operation, each operation a command of its
own: `run` is a container whose program is busybox's `true`, in the foreground; the others are the life of one that
sleeps. The bundles are the same but for the names of their cgroups; no resource limits, no seccomp filter. Peak memory
is the largest resident set of any one process. Milliseconds, from before the command is started until it has ended.

## Against runc, on the host as it is

{table(comparisons["runc"], "runc")}

## Against crun, with cgroup v2 alone mounted on /sys/fs/cgroup

In a mount namespace of their own, on a host with the hybrid layout, which crun refuses.

{table(comparisons["crun"], "crun")}
"""
