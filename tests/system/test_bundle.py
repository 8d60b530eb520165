"""Bundles made by ``ocipy bundle`` run, with ocipy itself when it is built and with runc otherwise."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

from ocipy.bundle import make_bundle

CHECKOUT = Path(__file__).resolve().parents[2]
OCIPY = [sys.executable, "-I", "-S", str(CHECKOUT / "ocipy/__main__.py")]
RUNC = shutil.which("runc", path="/usr/sbin:/usr/bin:/sbin:/bin")
CGROUP = "ocipy-test-bundle"
UNPRIVILEGED = 54321

BUILT = (CHECKOUT / "ocipy/ocipy-init").exists()
RUNTIME = OCIPY if BUILT else [RUNC] if RUNC else []

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not RUNTIME, reason="ocipy isn't built, and runc isn't installed"),
]


def cgroup_mounts() -> list[Path]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [Path(line.split()[4]) for line in lines if line.partition(" - ")[2].startswith("cgroup")]


def ocipy_bundle(*argv: str, **keywords) -> subprocess.CompletedProcess:
    return subprocess.run([*OCIPY, "bundle", *argv], capture_output=True, text=True, check=False, **keywords)


@pytest.fixture
def run(tmp_path):
    """Makes a bundle of the options given and runs it; the value is the finished container process."""
    directory = tmp_path / "bundle"

    def make_and_run(*options: str, status: int = 0) -> subprocess.CompletedProcess:
        made = ocipy_bundle(str(directory), *options)
        assert made.returncode == 0, made.stderr
        assert made.stdout.startswith(f"bundle: {directory} (")
        path = directory / "config.json"
        config = json.loads(path.read_text())
        config["linux"]["cgroupsPath"] = f"/{CGROUP}/{os.getpid()}"
        path.write_text(json.dumps(config))
        container = f"{CGROUP}-{os.getpid()}"
        command = [*RUNTIME, "--root", str(tmp_path / "state"), "run", "--bundle", str(directory), container]
        finished = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert finished.returncode == status, finished.stderr
        return finished

    yield make_and_run
    for mount in cgroup_mounts():
        top = mount / CGROUP
        for below in top.iterdir() if top.is_dir() else ():
            if below.is_dir():
                below.rmdir()
        if top.is_dir():
            top.rmdir()


@pytest.mark.parametrize("source", [["--busybox"], ["--from-host", "sh"]])
def test_hello_shows_its_own_surroundings(run, source):
    said = run("--hello", *source).stdout
    assert "hostname      hello" in said
    assert "this script is process 1" in said
    assert "uid 0, gid 0" in said
    assert "interfaces: lo\n" in said
    assert CGROUP in said
    for namespace in ("pid", "mnt", "net", "uts", "ipc"):
        own = os.readlink(f"/proc/self/ns/{namespace}")
        assert f"{namespace}:[" in said
        assert own not in said


def test_busybox_applets(run):
    script = "ls /bin/busybox && id -un && stat -c %a /tmp && realpath /var/run"
    assert run("--busybox", "--", "sh", "-c", script).stdout.split() == ["/bin/busybox", "root", "1777", "/run"]


def test_the_hosts_bash_ps_ls_top_env(run):
    script = """
        set -e -o pipefail
        ps -o pid=,comm= -p 1
        ls -ld /bin /lib64
        env
        TERM=xterm top -b -n 1
        ls -ln /etc/ld.so.cache
        ps -o user= -p 1
    """
    said = run("--from-host", "bash,ps", "--from-host=ls,top,env", "--", "bash", "-c", script).stdout
    assert "1 bash" in said
    assert "TERM=xterm" in said
    assert "load average" in said
    assert said.splitlines()[-1].strip() == "root", "user names come from the bundle's passwd"
    if os.path.islink("/bin"):
        assert "/bin -> usr/bin" in said


def test_the_loader_finds_every_library_by_its_cache(run):
    said = run("--from-host", "sh,ldconfig", "--", "/sbin/ldconfig", "-p").stdout
    assert "libc.so.6" in said


def test_an_exit_status_passes_through(run):
    run("--from-host", "sh", "--", "sh", "-c", "exit 42", status=42)


def test_process_options(run):
    said = run(
        "--busybox", "--hostname", "box", "--user", "1234:1235:1236", "--env", "GREETING=hello world", "--cwd", "/var",
        "--", "sh", "-c", "hostname; id -u; id -g; id -G; echo $GREETING; pwd; echo $HOME; grep CapEff /proc/$$/status",
    ).stdout.splitlines()  # fmt: skip
    assert said == [
        "box",
        "1234",
        "1235",
        "1235 1236",
        "hello world",
        "/var",
        "/home/user",
        "CapEff:\t0000000000000000",
    ]


def test_a_name_from_the_host(run):
    assert run("--busybox", "--user", "daemon", "--", "id", "-un").stdout == "daemon\n"


def test_read_only(run):
    assert "Read-only" in run("--busybox", "--read-only", "--", "touch", "/file", status=1).stderr


def test_mounts(run, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").write_text("from the host\n")
    said = run(
        "--busybox", "--mount", f"{tmp_path}/shared:/data:ro", "--mount", "type=tmpfs,target=/scratch,tmpfs-size=1m",
        "--", "sh", "-c", "cat /data/file; touch /data/x || echo refused; touch /scratch/x && df -k /scratch",
    ).stdout  # fmt: skip
    assert said.startswith("from the host\nrefused\n")
    assert " 1024 " in said


def test_limits(run):
    script = """
        cd /sys/fs/cgroup
        cat memory/memory.limit_in_bytes 2>/dev/null || cat memory.max
        cat pids/pids.max 2>/dev/null || cat pids.max
        cat cpu/cpu.cfs_quota_us 2>/dev/null || cut -d ' ' -f 1 cpu.max
    """
    said = run("--busybox", "--memory", "64m", "--pids", "33", "--cpus", "0.5", "--", "sh", "-c", script).stdout
    assert said.split() == [str(64 << 20), "33", "50000"]


def test_a_directory_in_place_and_an_archive_of_it(run, tmp_path):
    assert ocipy_bundle(str(tmp_path / "first"), "--busybox").returncode == 0
    rootfs = tmp_path / "first/rootfs"
    (rootfs / "etc/mark").write_text("in place\n")
    assert run("--rootfs", str(rootfs), "--", "cat", "/etc/mark").stdout == "in place\n"
    archive = tmp_path / "rootfs.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(rootfs, ".")
    (rootfs / "etc/mark").write_text("changed later\n")
    assert run("--force", "--rootfs", str(archive), "--", "cat", "/etc/mark").stdout == "in place\n"
    assert not rootfs.is_relative_to(tmp_path / "bundle")
    assert rootfs.is_dir(), "--force must not remove a root filesystem that is used in place"


@pytest.fixture
def open_directory():
    """A directory that a user without privileges owns and reaches; ``tmp_path`` is for root alone."""
    with tempfile.TemporaryDirectory(prefix=CGROUP) as path:
        os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
        yield path


@pytest.mark.rootless
@pytest.mark.tool("runc")
@pytest.mark.parametrize("source", [{"busybox": True}, {"from_host": ["sh", "ps"]}])
def test_without_privileges(open_directory, source):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(UNPRIVILEGED)
            os.setuid(UNPRIVILEGED)
            make_bundle(f"{open_directory}/bundle", rootless=True, hello=True, **source)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    finished = subprocess.run(
        [RUNC, "--root", f"{open_directory}/state", "run", "--bundle", f"{open_directory}/bundle", CGROUP],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        user=UNPRIVILEGED, group=UNPRIVILEGED, extra_groups=[],
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert "uid 0, gid 0" in finished.stdout
    assert f"0 here is {UNPRIVILEGED} on the host (1 mapped)" in finished.stdout
    assert "this script is process 1" in finished.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_leaves_nothing(tmp_path, number):
    pipe = tmp_path / "pipe.tar"
    os.mkfifo(pipe)
    command = [*OCIPY, "bundle", str(tmp_path / "bundle"), "--rootfs", str(pipe)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        with open_once_it_is_read(pipe, process):
            assert len(list(tmp_path.iterdir())) == 2, "the half-made bundle beside the pipe"
            end_by(process, number)
        assert process.returncode == 128 + number
    assert list(tmp_path.iterdir()) == [pipe]


def end_by(process, number):
    """Signal the process until it ends: Python sees one that comes right before a call that blocks only after it."""
    for _ in range(30):
        process.send_signal(number)
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            continue
        return
    pytest.fail(f"the process doesn't end by signal {number}")


def open_once_it_is_read(pipe, process):
    """The named pipe opened for writing, as soon as the process has opened it for reading."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return open(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb")
        except OSError as problem:
            if problem.errno != errno.ENXIO:
                raise
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_an_archive_from_a_pipe(tmp_path):
    (tmp_path / "etc").mkdir()
    archive = subprocess.run(["/bin/tar", "-C", str(tmp_path), "-c", "etc"], capture_output=True, check=True).stdout
    command = [*OCIPY, "bundle", str(tmp_path / "bundle"), "--rootfs", "/dev/stdin"]
    subprocess.run(command, input=archive, capture_output=True, check=True)
    assert (tmp_path / "bundle/rootfs/etc").is_dir()
