"""Facts that few configs ask for."""

import os

import pytest

from ocipy import creation, host_facts
from ocipy.bundle.default_config import default_config
from ocipy.host import HostInfo
from ocipy.spec.load import complete


def config(**changes):
    document = default_config()
    for name, value in changes.items():
        document["process" if name in ("apparmorProfile", "selinuxLabel") else "linux"][name] = value
    complete(document)
    return document


@pytest.fixture
def texts(monkeypatch):
    found = {}
    monkeypatch.setattr(host_facts, "_read", lambda path: found.get(path, ""))
    return found


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, False),
        ({"apparmorProfile": "x"}, True),
        ({"selinuxLabel": "x"}, True),
        ({"mountLabel": "x"}, True),
        ({"sysctl": {"net.a": "1"}}, True),
        ({"apparmorProfile": "", "mountLabel": "", "sysctl": {}}, False),
    ],
)
def test_who_asks(changes, asked):
    assert creation._asks_for_facts(config(**changes)) is asked


@pytest.mark.parametrize(
    ("enabled", "filesystems", "modules"),
    [
        ("Y\n", "nodev\tsysfs\n\text4\n", ("apparmor",)),
        ("N\n", "nodev\tsysfs\nnodev\tselinuxfs\n", ("selinux",)),
        ("Y\n", "nodev\tselinuxfs\n", ("apparmor", "selinux")),
        ("", "nodev\tnot-selinuxfs\n", ()),
    ],
)
def test_modules(texts, enabled, filesystems, modules):
    texts["/sys/module/apparmor/parameters/enabled"] = enabled
    texts["/proc/filesystems"] = filesystems
    host = HostInfo()
    assert host.modules == ()
    host_facts.look(host, config())
    assert host.modules == modules


def test_joined_namespaces_of_our_own(tmp_path):
    """By device and inode, whatever the path."""
    (tmp_path / "link").symlink_to(f"/proc/{os.getpid()}/ns/net")
    namespaces = [
        {"type": "network", "path": str(tmp_path / "link")},
        {"type": "ipc", "path": "/proc/self/ns/uts"},
        {"type": "uts", "path": str(tmp_path / "missing")},
        {"type": "pid", "path": "/proc/self/ns/pid"},
        {"type": "mount"},
    ]
    host = HostInfo()
    host_facts.look(host, config(namespaces=namespaces, sysctl={"net.a": "1"}))
    assert host.own_namespaces == ("network",)
    host = HostInfo()
    host_facts.look(host, config(namespaces=namespaces))
    assert host.own_namespaces == (), "not asked for"
