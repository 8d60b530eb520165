"""The program: what it sees, its environment and arguments, and how it is found."""

import os

import pytest

from tests.system.looking import (
    read_config,
    set_capabilities,
    set_process,
    set_user,
    together,
    write_config,
)

pytestmark = pytest.mark.root


def test_environment(ocipy, bundle):
    env = ["PATH=/bin:/usr/bin", "EMPTY=", "UMLAUT=äöü€", "LINES=a\nb", "EQUALS=a=b=c", "SPACES= a b ", "HOME=/given"]
    path = bundle("cat", "/proc/self/environ", change=set_process(env=env))
    done = ocipy.run(path, status=0)
    assert done.stdout.split("\0")[:-1] == env


USERS = "root:x:0:0:root:/root-home:/bin/sh\nbroken\n::::\nuser:x:1000:1000::/home/user:/bin/sh\nlast:x:7:7::/last:"


@pytest.mark.parametrize(
    ("uid", "home"), [(0, "/root-home"), (1000, "/home/user"), (7, "/last"), (12345, "/")],
)  # fmt: skip
def test_home_of_the_container_s_user(ocipy, bundle, uid, home):
    path = bundle("sh", "-c", "echo $HOME", own_rootfs=True, change=set_user(uid=uid))
    (path / "rootfs/etc/passwd").write_text(USERS)
    assert ocipy.run(path, status=0).stdout == f"{home}\n"


@pytest.mark.parametrize(
    "kind", ["missing", "fifo", "directory", "loop", "dangling", "empty", "binary", "device", "endless"]
)
def test_home_with_a_strange_passwd(ocipy, bundle, kind):
    path = bundle("sh", "-c", "echo $HOME", own_rootfs=True)
    file = path / "rootfs/etc/passwd"
    file.unlink()
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "directory":
        file.mkdir()
    elif kind == "loop":
        file.symlink_to("passwd")
    elif kind == "dangling":
        file.symlink_to("/no/such")
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "binary":
        file.write_bytes(bytes(range(256)) * 100)
    elif kind == "endless":
        file.write_text("root:x:0:0::" + "x" * 5000)  # one line, that goes on for a terabyte
        os.truncate(file, 1 << 40)
    elif kind == "device":
        os.mknod(file, 0o020666, os.makedev(1, 5))
    assert ocipy.run(path, status=0).stdout == "/\n"


def test_home_that_is_given_empty_counts_as_none(ocipy, bundle):
    path = bundle("cat", "/proc/self/environ", own_rootfs=True, change=set_process(env=["PATH=/bin", "HOME="]))
    (path / "rootfs/etc/passwd").write_text(USERS)
    assert sorted(ocipy.run(path, status=0).stdout.split("\0")[:-1]) == ["HOME=/root-home", "PATH=/bin"]


# What it runs.


def test_arguments_with_all_sorts_of_bytes(ocipy, bundle):
    args = ["", " ", "a b", "ä€😀", "line\nbreak", "tab\t", "'\"\\$`*?", "-n", "\x01\x7f", "%s%n"]
    done = ocipy.run(bundle("sh", "-c", 'for arg; do printf "%s|" "$arg"; done', "sh", *args), status=0)
    assert done.stdout == "".join(f"{arg}|" for arg in args)


def test_long_arguments_and_environment(ocipy, bundle):
    long = "x" * 100_000
    path = bundle("sh", "-c", "echo ${#1} ${#LONG} $# $(env | grep -c ^N_)", "sh", long, *map(str, range(5000)),
                  change=lambda config: config["process"]["env"].extend(
                      [f"LONG={long}", *(f"N_{i}={i}" for i in range(3000))]))  # fmt: skip
    assert ocipy.run(path, status=0).stdout.split() == ["100000", "100000", "5001", "3000"]
    line = ocipy.fails("run", "--bundle", bundle("true", "x" * 200_000), ocipy.new_id())
    assert "E2BIG: argument list too long" in line


def test_the_search_for_the_program(ocipy, bundle):
    def at(directory, text, mode=0o755):
        file = path / "rootfs" / directory / "tool"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\necho {text} $0\n")
        file.chmod(mode)

    env = ["PATH=/nowhere:/not-executable:/dir:/first:/second"]
    path = bundle("tool", own_rootfs=True, change=set_process(env=env))
    at("first", "first")
    at("second", "second")
    at("not-executable", "wrong", 0o644)
    (path / "rootfs/dir/tool").mkdir(parents=True)
    assert ocipy.run(path, status=0).stdout == "first /first/tool\n"

    config = read_config(path)
    config["process"].update(args=["./tool"], cwd="/second")
    write_config(path, config)
    assert ocipy.run(path, status=0).stdout == "second ./tool\n"

    config["process"].update(args=["tool"], cwd="/", env=["PATH=/not-executable"])
    write_config(path, config)
    assert ocipy.fails("run", "--bundle", path, ocipy.new_id()) == "exec tool: permission denied"


def test_without_a_path_the_usual_places_are_searched(ocipy, bundle):
    """execvp(3), whose semantics config.md asks for."""
    assert ocipy.run(bundle("echo", "found", change=set_process(env=["A=b"])), status=0).stdout == "found\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["no-such-program"], "exec no-such-program: executable file not found in $PATH"),
        (["/no/such/program"], "exec /no/such/program: no such file or directory"),
        (["/etc"], "exec /etc: permission denied"),
        (["/etc/passwd"], "exec /etc/passwd: permission denied"),
        ([""], 'exec "": executable file not found in $PATH'),
    ],
)
def test_a_program_that_is_none(ocipy, bundle, args, message):
    assert ocipy.fails("run", "--bundle", bundle(*args), ocipy.new_id(), status=1) == message


def test_programs_the_kernel_will_not_run(ocipy, bundle):
    def made(text):
        path = bundle("/program", own_rootfs=True)
        (path / "rootfs/program").write_text(text)
        (path / "rootfs/program").chmod(0o755)
        return ocipy.fails("run", "--bundle", path, ocipy.new_id())

    assert made("#!/no/such/interpreter\n") == (
        "exec /program: no such file or directory (or the interpreter or loader it names is missing in the container)"
    )
    assert made("no header\n").endswith(
        "ENOEXEC: exec format error (not a program this kernel can run; a script needs a #! line)"
    )


def test_a_program_only_a_capability_may_run(ocipy, bundle):
    change = together(
        set_user(uid=1000, gid=1000),
        set_capabilities("CAP_DAC_OVERRIDE", kinds=("bounding", "effective", "permitted", "inheritable", "ambient")),
    )
    path = bundle("/private/tool", own_rootfs=True, change=change)
    tool = path / "rootfs/private/tool"
    tool.parent.mkdir(0o700)
    tool.write_text("#!/bin/sh\necho ran\n")
    tool.chmod(0o700)
    assert ocipy.run(path, status=0).stdout == "ran\n"
