"""From a failed step to its one line: the words engines look for, hints, and warnings of capabilities."""

import errno

import pytest

from ocipy.errors import SyscallError
from ocipy.failures import step_error, step_warning
from ocipy.hints import HINTS
from ocipy.plan.ops import KINDS, SetupOp

MOUNT = {"source": "x", "data": "", "set": 0, "propagation": 0, "flags": 0}


def mount(type_, destination="/dev/mqueue"):
    return SetupOp("mount", "/mounts/3", destination=destination, type=type_, **MOUNT)


def find(name):
    return SetupOp("find-program", "/process/args/0", name=name, directories="/bin")


def execute(*args):
    return SetupOp("exec", "/process/args", args=list(args), env=[])


def hook(kind="createContainer", timeout=5):
    return SetupOp("hook", f"/hooks/{kind}/2", path="/bin/hook", args=["h"], env=[], timeout=timeout)


# (step, errno, what init said, the line, the hint)
CASES = [
    (
        mount("mqueue"), errno.EPERM, "mount mqueue",
        "mounts[3] (/dev/mqueue): mount mqueue: EPERM: operation not permitted",
        "the IPC namespace is not owned by this user namespace; add an ipc namespace",
    ),
    (
        mount("sysfs", "/sys"), errno.EPERM, "fsmount",  # the mount's type counts too
        "mounts[3] (/sys): fsmount: EPERM: operation not permitted",
        "the network namespace is not owned by this user namespace; add a network namespace",
    ),
    (mount("ext4", "/x"), errno.EBUSY, "mount ext4", "mounts[3] (/x): mount ext4: EBUSY: device or resource busy", ""),
    (find("sh"), errno.ENOENT, "", "exec sh: executable file not found in $PATH", ""),
    (find("/bin/sh"), errno.ENOENT, "", "exec /bin/sh: no such file or directory", ""),
    (find("./sh"), errno.ENOENT, "", "exec ./sh: no such file or directory", ""),
    (find("sh"), errno.EACCES, "", "exec sh: permission denied", ""),
    (find("/sh"), errno.EACCES, "", "exec /sh: permission denied", ""),
    (find(""), errno.ENOENT, "", 'exec "": executable file not found in $PATH', ""),
    (
        find("/sh"), errno.ELOOP, "stat /sh",
        "process.args[0] (/sh): stat /sh: ELOOP: too many levels of symbolic links", "",
    ),
    (
        execute("/x", "y"), errno.ENOENT, "execve",
        "exec /x: no such file or directory",
        "or the interpreter or loader it names is missing in the container",
    ),
    (execute("/x"), errno.EACCES, "execve", "exec /x: permission denied", ""),
    (
        execute("/x"), errno.ENOEXEC, "execve /x",
        "process.args: execve /x: ENOEXEC: exec format error",
        "not a program this kernel can run; a script needs a #! line",
    ),
    (
        hook(), errno.ETIMEDOUT, "",
        "error running createContainer hook #2: /bin/hook still ran after 5 s and was killed", "",
    ),
    (
        hook("startContainer"), 0, "/bin/hook: exit status 3: oh\nno",
        "error running startContainer hook #2: /bin/hook: exit status 3: oh; no", "",
    ),
    (
        hook(), errno.EAGAIN, "fork /bin/hook",
        "error running createContainer hook #2: fork /bin/hook: EAGAIN: resource temporarily unavailable", "",
    ),
    (
        SetupOp("hostname", "/hostname", name="web"), errno.EPERM, "sethostname",
        "hostname (web): sethostname: EPERM: operation not permitted",
        "the UTS namespace is not the container's; add a uts namespace",
    ),
    (
        SetupOp("keyring", "", name="_ses.x"), errno.EDQUOT, "keyctl",  # no part of config.json asks for it
        "keyring (_ses.x): keyctl: EDQUOT: disk quota exceeded",
        "this user has no room for another key (sysctl kernel.keys.*): --no-new-keyring",
    ),
    (
        SetupOp("loopback", "/linux/namespaces/1"), errno.EPERM, "ioctl",
        "linux.namespaces[1]: ioctl: EPERM: operation not permitted", "",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("op", "number", "said", "line", "hint"), CASES)
def test_of_init(op, number, said, line, hint):
    problem = step_error(op, 7, OSError(number, said))
    assert str(problem) == (f"{line} ({hint})" if hint else line)
    assert (problem.index, problem.pointer) == (7, op.pointer)


def test_of_a_system_call_of_the_runtime():
    op = SetupOp("cgroup-write", "/linux/resources/pids/limit", path="/cg/pids.max", value="5")
    problem = step_error(op, 1, SyscallError("write '5' to", errno.EACCES, "/cg/pids.max", "run as root"))
    place = "linux.resources.pids.limit (/cg/pids.max)"
    assert str(problem) == f"{place}: write '5' to /cg/pids.max: EACCES: permission denied (run as root)"
    assert problem.errno == errno.EACCES


def test_of_a_file_the_runtime_opens():
    op = SetupOp("oom-score", "/process/oomScoreAdj", value=-5)
    problem = step_error(op, 1, PermissionError(errno.EACCES, "Permission denied", "/proc/1/oom_score_adj"))
    assert str(problem) == (
        "process.oomScoreAdj: open /proc/1/oom_score_adj: EACCES: permission denied "
        "(lowering it takes CAP_SYS_RESOURCE, which the runtime doesn't hold)"
    )


def test_a_path_that_the_place_names_already_is_not_said_twice():
    op = SetupOp("sysctl", "/linux/sysctl/net.core.somaxconn", path="net.core.somaxconn", value="1")
    problem = step_error(op, 1, OSError(errno.ENOENT, "write"))
    assert str(problem).startswith("linux.sysctl.net.core.somaxconn: write: ENOENT")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("capabilities 33", "process.capabilities: CAP_CHOWN, CAP_KILL can't be granted: the runtime doesn't hold it"),
        ("inheritable capabilities 1", "can't make CAP_CHOWN inheritable: it isn't in the bounding set"),
        ("ambient capabilities 32", "can't raise ambient capability CAP_KILL: EPERM"),
        (f"capabilities {1 << 63}", "process.capabilities: 63 can't be granted: the runtime doesn't hold it"),
    ],
)
def test_warnings(text, line):
    assert step_warning(SetupOp("capabilities", "/process/capabilities"), errno.EPERM, text) == line


@pytest.mark.parametrize(("name", "error", "word", "text"), HINTS)
def test_hints_are_for_steps_and_errors_that_there_are(name, error, word, text):
    assert name in KINDS
    assert hasattr(errno, error)
    assert text
    assert text[0] != "("


def test_no_hint_hides_another():
    """The first that matches is shown: one for any word must come after those for a word."""
    for index, (name, error, word, _) in enumerate(HINTS):
        before = [other for other in HINTS[:index] if other[:2] == (name, error)]
        assert all(other[2] and other[2] not in word for other in before), (name, error, word)
