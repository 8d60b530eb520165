"""Configs whose steps fail: programs that can't be run, namespaces, mounts, terminals that can't be had."""

import pytest

from tests.system.looking import set_linux
from tests.system.runtime import cgroups_of, change_at

pytestmark = pytest.mark.root


@pytest.mark.parametrize("command", ["create", "run", "run -d"])
@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("no-such", "exec no-such: executable file not found in $PATH"),
        ("/no/such", "exec /no/such: no such file or directory"),
        ("/etc/passwd", "exec /etc/passwd: permission denied"),
        ("/etc", "exec /etc: permission denied"),
        ("/bin/sh/x", "ENOTDIR"),
        ("", "executable file not found in $PATH"),
    ],
)
def test_programs_that_cannot_be_run(ocipy, bundle, program, message, command):
    """In the words that engines look for, to exit with 127 or 126."""
    assert message in ocipy.refused(bundle(program), command=command)


def test_a_program_of_another_format(ocipy, bundle):
    """Known only at its execve: start fails, and the container is stopped."""
    path = bundle("/program", own_rootfs=True)
    (path / "rootfs/program").write_text("no #! line\n")
    (path / "rootfs/program").chmod(0o755)
    container = ocipy.create(path)
    message = ocipy.fails("start", container)
    assert "ENOEXEC" in message
    assert "#!" in message
    assert ocipy.status(container) == "stopped"
    assert "ENOEXEC" in ocipy.refused(bundle_like(bundle, path), command="run")


def bundle_like(bundle, path):
    """Another bundle (with a cgroup of its own) on the same root filesystem."""
    return bundle("/program", change=change_at("root", value={"path": str(path / "rootfs")}))


def test_a_script_whose_interpreter_is_missing(ocipy, bundle):
    path = bundle("/program", own_rootfs=True)
    (path / "rootfs/program").write_text("#!/no/such/shell\n")
    (path / "rootfs/program").chmod(0o755)
    message = ocipy.refused(path, command="run")
    assert message.startswith("exec /program: no such file or directory")
    assert "interpreter" in message


def test_an_empty_path_in_the_environment(ocipy, bundle):
    path = bundle("sh", change=change_at("process", "env", value=["PATH="]))
    assert ocipy.refused(path) == "exec sh: executable file not found in $PATH"


def test_cwd_that_is_a_file(ocipy, bundle):
    message = ocipy.refused(bundle(change=change_at("process", "cwd", value="/etc/passwd")))
    assert message.startswith("process.cwd (/etc/passwd): ")
    assert "ENOTDIR" in message


@pytest.mark.parametrize(
    ("path", "error"), [("/proc/no-such/ns/net", "ENOENT"), ("/proc/self/ns/uts", "EINVAL"), ("/dev/null", "EINVAL")]
)
@pytest.mark.parametrize("kind", ["network", "pid"])
def test_a_namespace_that_cannot_be_joined(ocipy, bundle, path, error, kind):
    def change(config):
        next(each for each in config["linux"]["namespaces"] if each["type"] == kind)["path"] = path

    message = ocipy.refused(bundle(change=change))
    assert message.startswith("linux.namespaces")
    assert error in message


def test_a_mount_whose_source_is_missing(ocipy, bundle):
    mount = {"destination": "/mnt", "source": "/no/such", "options": ["bind"]}
    message = ocipy.refused(bundle(change=lambda config: config["mounts"].append(mount)))
    assert message.startswith("mounts[7] (/mnt): ")
    assert "/no/such" in message
    assert "ENOENT" in message


def test_an_unknown_filesystem(ocipy, bundle):
    mount = {"destination": "/mnt", "type": "nosuchfs", "source": "none"}
    message = ocipy.refused(bundle(change=lambda config: config["mounts"].append(mount)))
    assert message.startswith("mounts[7] (/mnt): ")
    assert "ENODEV" in message


def test_an_option_the_filesystem_refuses(ocipy, bundle):
    mount = {"destination": "/mnt", "type": "tmpfs", "source": "none", "options": ["size=lots"]}
    message = ocipy.refused(bundle(change=lambda config: config["mounts"].append(mount)))
    assert message.startswith("mounts[7] (/mnt): ")
    assert "size" in message


def test_a_terminal_without_a_console_socket(ocipy, bundle):
    path = bundle(change=change_at("process", "terminal", value=True))
    assert "--console-socket" in ocipy.refused(path)
    assert "--console-socket" in ocipy.refused(path, command="run -d")
    assert "/no/such" in ocipy.fails("create", "--console-socket", "/no/such", "-b", path, ocipy.new_id())
    assert "(no terminal is asked for)" in ocipy.fails(
        "create", "--console-socket", "/no/such", "-b", bundle(), ocipy.new_id()
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [("cgroup.procs", "ENOTDIR: not a directory"), ("a/" * 3000, "ENAMETOOLONG: file name too long")],
)
def test_a_name_that_no_cgroup_can_have(ocipy, bundle, test_name, name, reason):
    """Before any cgroup above it is made."""
    above = "" if name == "cgroup.procs" else f"/{test_name}"
    message = ocipy.refused(bundle(change=set_linux(cgroupsPath=f"{above}/{name}")))
    assert message.startswith("linux.cgroupsPath: ")
    assert f"can't be a cgroup: {reason}" in message
    assert not cgroups_of(test_name)
    assert not (ocipy.root / "@cgroups").exists()
