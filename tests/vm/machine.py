"""Boots the machine: a job's files go in on one disk, its results come out of another."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.vm.image import Image

MEMORY = 3072  # MiB, on two NUMA nodes
RESULTS_SIZE = 64 << 20
SCRATCH_SIZE = 256 << 20
# Of the environment: tools for the source code, and what is made by running.
NOT_NEEDED = shutil.ignore_patterns("mypy*", "ruff*", "pip", "vulture*", ".*_cache", ".git", ".hypothesis")


class NotFinished(Exception):
    """The machine brought no results: it crashed, hung or ran out of time."""


@dataclass(frozen=True)
class Step:
    """A shell command to run inside, in the checkout, within ``seconds``."""

    name: str
    seconds: int
    command: str


def stage(checkout: Path, directory: Path, steps: Iterable[Step]) -> None:
    """Put a job's files together: the checkout and the running interpreter's environment, each to be at its own path.

    Raises ValueError if that environment can't work inside.
    """
    environment = Path(sys.prefix)
    if sys.version_info[:2] != (3, 11) or sys.base_prefix != "/usr" or sys.prefix == sys.base_prefix:
        raise ValueError(f"the machine has Debian 12's Python 3.11: {sys.executable} is no virtual environment of that")
    directory.mkdir()
    shutil.copy(Path(__file__).with_name("guest") / "run", directory)
    (directory / "steps").write_text("".join(f"{step.name} {step.seconds} {step.command}\n" for step in steps))
    places = [checkout] if environment.is_relative_to(checkout) else [checkout, environment]
    (directory / "places").write_text("".join(f"{path}\n" for path in places))
    for path in places:

        def ignore(where: str, names: list[str]) -> set[str]:
            return set(NOT_NEEDED(where, names)) | ({"vm"} if where == str(checkout / "build") else set())

        shutil.copytree(path, directory / "tree" / path.relative_to("/"), symlinks=True, ignore=ignore)


def run(image: Image, job: Path, parameters: str, results: Path, seconds: int) -> None:
    """Boot with a staged job and more kernel parameters; what the job left goes into the directory ``results``, with
    the console's output.  Raises NotFinished."""
    with tempfile.TemporaryDirectory(prefix="ocipy-vm-") as work:
        disks = Path(work)
        needed = sum(path.lstat().st_size + 4096 for path in job.rglob("*"))
        _tool("mke2fs", "-q", "-t", "ext4", "-d", job, disks / "job", f"{(needed >> 10) * 3 // 2 + (64 << 10)}k")
        for name, size in (("results", RESULTS_SIZE), ("scratch", SCRATCH_SIZE)):
            with (disks / name).open("wb") as file:
                file.truncate(size)
        with (results / "console").open("wb") as console:
            try:
                subprocess.run(_command(image, disks, parameters), check=True, stdout=console, timeout=seconds)
            except subprocess.TimeoutExpired:
                raise NotFinished(f"not done within {seconds} s") from None
        if not tarfile.is_tarfile(disks / "results"):
            raise NotFinished("it ended without results")
        _tool("tar", "-xf", disks / "results", "-C", results)


def _command(image: Image, disks: Path, parameters: str) -> list[str]:
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(MEMORY)]
    command += ["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"]
    for node in (0, 1):
        command += ["-object", f"memory-backend-ram,id=memory{node},size={MEMORY // 2}M"]
        command += ["-numa", f"node,memdev=memory{node},cpus={node}"]
    command += ["-kernel", str(image.kernel), "-initrd", str(image.initramfs)]
    command += ["-append", f"console=ttyS0 quiet panic=-1 {parameters}"]
    # The machine's vda to vdd.  What it writes to the image is forgotten.
    command += ["-drive", f"file={image.disk},if=virtio,format=raw,snapshot=on"]
    for name in ("job", "results", "scratch"):
        command += ["-drive", f"file={disks / name},if=virtio,format=raw,cache=unsafe"]
    return command


def _tool(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
