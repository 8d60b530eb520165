"""Global options, the flags of create and run, exit codes, and what an engine's environment may lack."""

import json
import os
import re
import subprocess

import pytest

from ocipy import SPEC_VERSION, __version__
from tests.system.runtime import RUNTIME, until, wait_ended

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 42", 42), ("exit 255", 255), ("kill -KILL $$", 137), ("kill -SEGV $$", 139)],
)
def test_exit_codes(ocipy, bundle, script, status):
    """The container's own, or 128+n; a shell below init, for init itself is spared its own signals."""
    done = ocipy.run(bundle("sh", "-c", f"sh -c {script!r}; exit $?"), status=status)
    assert done.stdout == ""


def test_init_ended_by_a_signal(ocipy, bundle):
    path = bundle("sh", "-c", "kill -KILL $$", change=without_pid_namespace)
    ocipy.run(path, status=137)


def without_pid_namespace(config):
    namespaces = config["linux"]["namespaces"]
    namespaces[:] = [each for each in namespaces if each["type"] != "pid"]


def test_run_keep(ocipy, bundle):
    container = ocipy.expect(ocipy.new_id())
    ocipy("run", "--keep", "-b", bundle("sh", "-c", "exit 5"), container, status=5)
    assert ocipy.status(container) == "stopped"
    ocipy("delete", container, status=0)


def test_pid_file(ocipy, bundle, tmp_path):
    file = tmp_path / "pid"
    for command in (("create",), ("run", "--detach")):
        file.write_text("a longer text that was here before")
        container = ocipy.expect(ocipy.new_id())
        ocipy(*command, "--pid-file", file, "-b", bundle(*FOREVER), container, status=0)
        assert file.read_text() == str(ocipy.pid(container))


def test_pid_file_relative_to_the_working_directory(ocipy, bundle, tmp_path):
    container = ocipy.expect(ocipy.new_id())
    path = bundle(*FOREVER)
    ocipy("create", "--pid-file=pid", container, cwd=path, status=0)
    assert (path / "pid").read_text() == str(ocipy.pid(container))
    assert ocipy.state(container)["bundle"] == str(path)


def test_a_pid_file_that_cannot_be_written(ocipy, bundle):
    message = ocipy.fails("create", "--pid-file", "/nonexistent/pid", "-b", bundle(*FOREVER), ocipy.new_id())
    assert "pid file /nonexistent/pid" in message
    assert "ENOENT" in message


def mount_source(ocipy, bundle, *options):
    path = bundle("sh", "-c", "grep -c . /proc/self/mountinfo; ls /; ls /proc/1/root")
    return ocipy.run(path, *options, status=0).stdout


def test_no_pivot(ocipy, bundle):
    """The same view as with pivot_root; only what lies below differs."""
    listing = mount_source(ocipy, bundle, "--no-pivot").splitlines()
    assert listing[1:] == mount_source(ocipy, bundle).splitlines()[1:]
    assert "proc" in listing


def session_keyring(path):
    return [line for line in path.read_text().splitlines() if "_ses" in line]


def test_no_new_keyring(ocipy, bundle):
    def unmasked(config):
        config["linux"]["maskedPaths"] = []

    path = bundle("cat", "/proc/keys", change=unmasked)
    container = ocipy.new_id()
    done = ocipy("run", "-b", path, container, status=0)
    if "keyring" not in done.stdout:
        pytest.skip("/proc/keys shows no keyrings here")
    assert f"_ses.{container}" in done.stdout
    container = ocipy.new_id()
    assert f"_ses.{container}" not in ocipy("run", "--no-new-keyring", "-b", path, container, status=0).stdout


def test_only_stdio_reaches_the_program(ocipy, bundle):
    """Whatever the caller leaves open: 3 to 9 here, without close-on-exec."""
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
    for fd in files:
        os.set_inheritable(fd, True)
    try:
        done = ocipy.run(bundle("ls", "/proc/self/fd"), pass_fds=files, status=0)
    finally:
        for fd in files:
            os.close(fd)
    assert done.stdout.split() == ["0", "1", "2", "3"]  # 3 is what ls lists by


def test_preserved_fds_reach_the_program_and_no_others(ocipy, bundle, tmp_path):
    """3 and 4 by --preserve-fds 2; the shell has 5 open as well, which must not arrive."""
    for number in (3, 4, 5):
        (tmp_path / str(number)).write_text(f"file {number}\n")
    path = bundle("sh", "-c", "cat <&3; cat <&4; for i in 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$i ] && echo $i; done")
    redirections = " ".join(f"{number}<{tmp_path}/{number}" for number in (3, 4, 5))
    command = f"exec {RUNTIME} --root {ocipy.root} run --preserve-fds 2 -b {path} {ocipy.new_id()} {redirections}"
    done = ocipy.execute("/bin/sh", "-c", command)
    assert done.stdout.split("\n") == ["file 3", "file 4", "3", "4", ""], done.stderr


def test_preserve_fds_that_are_not_open(ocipy, bundle):
    assert "3" in ocipy.fails("run", "--preserve-fds", "3", "-b", bundle("true"), ocipy.new_id())
    assert "preserve-fds" in ocipy.fails("run", "--preserve-fds", "-1", "-b", bundle("true"), ocipy.new_id())


def test_version(ocipy):
    for option in ("--version", "-v"):
        lines = ocipy(option, status=0).stdout.splitlines()
        assert lines[0] == f"ocipy version {__version__}"
        assert lines[2] == f"spec: {SPEC_VERSION}"


def test_log_text(ocipy, tmp_path):
    log = tmp_path / "log"
    done = ocipy("--log", log, "state", "nobody", status=1)
    assert done.stderr == "ocipy: container 'nobody' does not exist\n"
    line = log.read_text()
    assert line.startswith('time="20')
    assert line.endswith("""level=error msg="container 'nobody' does not exist"\n""")


def test_log_json_is_appended(ocipy, tmp_path):
    log = tmp_path / "log"
    for number in (1, 2):
        ocipy("--log", log, "--log-format", "json", "state", f"nobody{number}", status=1)
    documents = [json.loads(line) for line in log.read_text().splitlines()]
    assert [each["msg"] for each in documents] == [f"container 'nobody{n}' does not exist" for n in (1, 2)]
    assert {each["level"] for each in documents} == {"error"}
    assert all(set(each) == {"level", "msg", "time"} for each in documents)


def test_log_that_cannot_be_opened(ocipy):
    assert "/nonexistent/log" in ocipy.fails("--log", "/nonexistent/log", "state", "nobody")
    assert "log-format" in ocipy.fails("--log-format", "xml", "state", "nobody")


def test_debug(ocipy, bundle, tmp_path):
    """Debug lines come with --debug only: every step of the plan, and a hook's output."""

    def hook(config):
        config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo out; echo err >&2"]}]}

    path, log = bundle("true", change=hook), tmp_path / "log"
    ocipy("--log", log, "run", "-b", path, ocipy.new_id(), status=0)
    assert log.read_text() == ""
    ocipy("--log", log, "--debug", "run", "-b", path, ocipy.new_id(), status=0)
    said = log.read_text()
    assert "out" in said
    assert "err" in said
    numbers = [int(number) for number in re.findall(r'level=debug msg="step (\d+), (?:runtime|init): ', said)]
    assert numbers == list(range(len(numbers)))
    assert "init: execute 'true'" in said


def test_root_is_made_private(ocipy, bundle, tmp_path):
    deep = tmp_path / "a/b/c"
    container = ocipy.new_id()
    ocipy.execute(RUNTIME, "--root", str(deep), "create", "-b", str(bundle(*FOREVER)), container, status=0)
    assert deep.stat().st_mode & 0o777 == 0o700
    assert (deep / container).stat().st_mode & 0o777 == 0o700
    assert ocipy("list", "-q", status=0).stdout == ""
    ocipy.execute(RUNTIME, f"--root={deep}", "delete", container, status=0)
    assert not (deep / container).exists()


def test_an_empty_environment(ocipy, bundle):
    container = ocipy.create(bundle("env"), env={})
    done = ocipy("start", container, env={}, status=0)
    assert done.stderr == ""
    assert ocipy("state", container, env={}, status=0).stdout


def test_closed_stdio(ocipy, bundle):
    """As some engines start a runtime; the container has /dev/null there then."""
    path, container = bundle("sh", "-c", "readlink /proc/self/fd/0; sleep 1000"), ocipy.expect(ocipy.new_id())
    for command in (f"create -b {path} {container}", f"start {container}"):
        ocipy.execute("/bin/sh", "-c", f"exec {RUNTIME} --root {ocipy.root} {command} <&- >&- 2>&-", status=0)
    pid = ocipy.pid(container)
    assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]


def test_invoked_by_a_symlink_of_another_name(ocipy, bundle, tmp_path):
    link = tmp_path / "runc"
    link.symlink_to(RUNTIME)
    container = ocipy.new_id()
    command = [str(link), "--root", str(ocipy.root), "run", "-b", str(bundle("echo", "linked")), container]
    assert ocipy.execute(*command, status=0, env={}, cwd="/").stdout == "linked\n"


def test_output_to_a_closed_pipe(ocipy):
    """`ocipy … | head -0`: no traceback."""
    with subprocess.Popen([RUNTIME, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_options_in_runcs_forms(ocipy, bundle):
    """One dash for long options, = or a space, options after the id."""
    path = bundle("sh", "-c", "exit 3")
    assert ocipy("run", "-bundle", path, ocipy.new_id()).returncode == 3
    assert ocipy("run", ocipy.new_id(), f"--bundle={path}").returncode == 3
    container = ocipy.create(path, "--no-pivot=false")
    ocipy("delete", container, "--force=true", status=0)


def test_the_bundle_is_the_working_directory_by_default(ocipy, bundle):
    assert ocipy("run", ocipy.new_id(), cwd=bundle("sh", "-c", "exit 3")).returncode == 3


def test_run_detached_outlives_the_command(ocipy, bundle):
    container = ocipy.expect(ocipy.new_id())
    done = ocipy("run", "-d", "-b", bundle("sh", "-c", "echo $$; sleep 1000"), container, status=0)
    until(lambda: done.output.read_text() == "1\n", "the output")
    pid = ocipy.pid(container)
    ocipy("kill", container, "9", status=0)
    wait_ended(pid)
