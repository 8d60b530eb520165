"""Settings of a container's cgroup, as the kernel gives them back, on either version of cgroups."""

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance import host
from conformance.harness import Runtime, check, need

MIB = 1 << 20
Setting = tuple[str, str]  # a file and what is in it


def resources(runtime: Runtime, **parts: Any) -> None:
    """Ask for ``linux.resources``: ``memory={"limit": 1 << 26}``."""
    runtime.config["linux"].setdefault("resources", {}).update(parts)


def version() -> int:
    return 2 if host.unified() else 1


def need_controller(controller: str) -> None:
    need(controller in host.controllers(), f"cgroup v{version()} has no {controller} controller on this host")


@contextlib.contextmanager
def _probe(controller: str) -> Iterator[Path]:
    """A cgroup of the suite's own, below the root, with the controller enabled."""
    root = host.hierarchies()["" if host.unified() else controller]
    if host.unified():
        (root / "cgroup.subtree_control").write_text(f"+{controller}")
    directory = root / f"conformance-probe-{os.getpid()}"
    directory.mkdir()
    try:
        yield directory
    finally:
        directory.rmdir()


@functools.cache
def offers(controller: str, name: str) -> bool:
    """A cgroup of this controller has the file."""
    with _probe(controller) as directory:
        return (directory / name).exists()


@functools.cache
def takes(controller: str, name: str, value: str) -> bool:
    """A cgroup of this controller has the file, and keeps the value that is written to it."""
    with _probe(controller) as directory:
        try:
            (directory / name).write_text(value)
            return (directory / name).read_text().strip() == value
        except OSError:
            return False


def setting(runtime: Runtime, controller: str, name: str) -> str:
    """Create the container; what is in the file of its cgroup."""
    need_controller(controller)
    need(offers(controller, name), f"this kernel's cgroups have no {name}")
    runtime.create()
    return runtime.cgroup_file(controller, name).read_text().strip()


def check_setting(runtime: Runtime, controller: str, *, v1: Setting, v2: Setting, v2_controller: str = "") -> None:
    """Create the container and compare one file, that of the version that the host has."""
    name, expected = v2 if host.unified() else v1
    found = setting(runtime, v2_controller if v2_controller and host.unified() else controller, name)
    check(found == expected, f"{name} is {found!r}, {expected!r} was expected")


def only_v1(runtime: Runtime, controller: str, name: str, expected: str) -> None:
    """The setting has no like in version 2: there it is an error, for it can't be converted."""
    if host.unified():
        runtime.refused()
        return
    found = setting(runtime, controller, name)
    check(found == expected, f"{name} is {found!r}, {expected!r} was expected")
