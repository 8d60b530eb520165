"""AppArmor profiles and SELinux labels: refused where the kernel has neither, else written where it looks for them.

Where the kernel has neither, the runtime is made to believe it had: what it writes then goes to the kernel, which says
that it knows no such label.
"""

import subprocess
from pathlib import Path

import pytest

from ocipy import host_facts
from ocipy.container import Container
from ocipy.errors import StepError
from tests.system.looking import in_user_namespace, inside, set_linux, set_process, together

pytestmark = pytest.mark.root

APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
HAS_APPARMOR = APPARMOR.exists() and APPARMOR.read_text().startswith("Y")
HAS_SELINUX = "\tselinuxfs\n" in Path("/proc/filesystems").read_text()
LABEL = "system_u:system_r:container_t:s0:c1,c2"


@pytest.mark.parametrize(
    ("change", "pointer", "module", "has"),
    [
        (set_process(apparmorProfile="x"), "process.apparmorProfile", "AppArmor", HAS_APPARMOR),
        (set_process(selinuxLabel=LABEL), "process.selinuxLabel", "SELinux", HAS_SELINUX),
        (set_linux(mountLabel=LABEL), "linux.mountLabel", "SELinux", HAS_SELINUX),
    ],
)
def test_a_kernel_without_the_module(ocipy, bundle, change, pointer, module, has):
    if has:
        pytest.skip(f"this kernel has {module}")
    assert ocipy.refused(bundle(change=change)) == (
        f"{pointer}: {module} is not enabled on this host (drop it from config.json, or start the kernel with it)"
    )
    assert not list(ocipy.root.iterdir())


@pytest.fixture
def pretend(ocipy, monkeypatch):
    """The error of a create on a host that is said to have both modules."""
    for module in ("_apparmor", "_selinux"):
        monkeypatch.setattr(host_facts, module, lambda: True)

    def run(path, **options):
        with pytest.raises(StepError) as caught:
            Container.create(ocipy.new_id(), str(path), root=str(ocipy.root), **options)
        return str(caught.value)

    return run


UNKNOWN = (": EINVAL: invalid argument (", ": ENOENT: no such file or directory (", ": EACCES: permission denied (")


# In a user namespace the kernel refuses another procfs, as parts of the container's are masked: that one is used.
@pytest.mark.parametrize("other", [None, in_user_namespace])
@pytest.mark.parametrize(
    ("change", "start"),
    [
        (set_process(apparmorProfile="no-such-profile"), "process.apparmorProfile: write to /proc/self/attr/"),
        (set_process(selinuxLabel=LABEL), "process.selinuxLabel: write to /proc/self/attr/keycreate"),
    ],
)
def test_the_kernel_is_told(bundle, pretend, change, start, other):
    line = pretend(bundle(change=together(change, other)))
    assert line.startswith(start)
    assert any(reason in line for reason in UNKNOWN), line


def test_the_exec_attribute_of_selinux(bundle, pretend):
    """Without a keyring to label, it is the first to be written."""
    line = pretend(bundle(change=set_process(selinuxLabel=LABEL)), no_new_keyring=True)
    assert line.startswith("process.selinuxLabel: write to /proc/self/attr/exec")


@pytest.mark.parametrize(
    ("option", "pointer", "module", "has"),
    [
        (("--apparmor", "x"), "process.apparmorProfile", "AppArmor", HAS_APPARMOR),
        (("--process-label", LABEL), "process.selinuxLabel", "SELinux", HAS_SELINUX),
    ],
)
def test_exec_on_a_kernel_without_the_module(ocipy, bundle, option, pointer, module, has):
    if has:
        pytest.skip(f"this kernel has {module}")
    container = ocipy.start(bundle("sleep", "1000"))
    line = ocipy.fails("exec", *option, container, "true", status=255)
    assert line.startswith(f"{pointer}: {module} is not enabled on this host")


@pytest.mark.parametrize("other", [None, in_user_namespace])
@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({"apparmor": "no-such-profile"}, "process.apparmorProfile: write to /proc/self/attr/"),
        ({"label": LABEL}, "process.selinuxLabel: write to /proc/self/attr/keycreate"),
    ],
)
@pytest.mark.usefixtures("pretend")
def test_exec_tells_the_kernel(ocipy, bundle, options, start, other):
    container = Container(ocipy.start(bundle("sleep", "1000", change=other)), str(ocipy.root))
    with pytest.raises(StepError) as caught:
        container.exec(["true"], **options)
    assert str(caught.value).startswith(start)
    assert any(reason in str(caught.value) for reason in UNKNOWN), caught.value


def test_a_filesystem_gets_the_mount_label(bundle, pretend):
    """/dev is the first that takes one; the comma in it is no end of the parameter."""
    line = pretend(bundle(change=set_linux(mountLabel=LABEL)))
    assert line.startswith("mounts[1] (/dev): mount tmpfs: ")
    assert "'context'" in line or "Unknown parameter" in line or "EINVAL" in line


PROFILE = "profile ocipy-test flags=(attach_disconnected) { file, capability, mount, umount, signal, network, }\n"


@pytest.mark.lsm("apparmor")
@pytest.mark.parametrize("changes", [(), (in_user_namespace,), (set_process(noNewPrivileges=False),)])
def test_a_profile(ocipy, bundle, tmp_path, changes):
    (tmp_path / "profile").write_text(PROFILE)
    subprocess.run(["apparmor_parser", "--replace", "--skip-cache", str(tmp_path / "profile")], check=True)
    try:
        change = together(set_process(apparmorProfile="ocipy-test"), *changes)
        said = inside(ocipy, bundle, "cat /proc/self/attr/current", change=change)
        assert said.split()[0] == "ocipy-test"
        container = ocipy.start(bundle("sleep", "1000", change=change))
        said = ocipy("exec", container, "cat", "/proc/self/attr/current", status=0).stdout
        assert said.split()[0] == "ocipy-test"
        other = ocipy.start(bundle("sleep", "1000", change=together(*changes)))
        said = ocipy("exec", "--apparmor", "ocipy-test", other, "cat", "/proc/self/attr/current", status=0).stdout
        assert said.split()[0] == "ocipy-test"
        for each in (container, other):
            ocipy("delete", "--force", each, status=0)
        line = ocipy.fails("run", "--bundle", bundle(change=set_process(apparmorProfile="no-such")), ocipy.new_id())
        assert "ENOENT" in line
        assert "is the profile loaded?" in line
    finally:
        subprocess.run(["apparmor_parser", "--remove", str(tmp_path / "profile")], check=False)
