"""Each error is one line that tells all: an engine shows no more."""

import errno
import os

import pytest

import ocipy
from ocipy import errors
from ocipy.errors import ConfigError, Fault, StepError, SyscallError, describe_errno, one_line


def test_all_are_errors_of_ocipy_and_exit_with_1():
    for name in ("UsageError", "ConfigError", "StateError", "NotFoundError", "SyscallError", "StepError"):
        kind = getattr(errors, name)
        assert issubclass(kind, errors.OcipyError)
        assert kind.exit_status == 1
        assert getattr(ocipy, name) is kind
    assert issubclass(errors.NotFoundError, errors.StateError)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault("/process/args", "must not be empty"), "/process/args: must not be empty"),
        (Fault("/process", "what", 3, 7), "/process (line 3, column 7): what"),
        (Fault("", "what"), "/: what"),
    ],
)
def test_fault(fault, text):
    assert str(fault) == text


def test_repr_of_a_fault_is_its_call():
    fault = Fault("/a", "b", 1, 2)
    again = eval(repr(fault))  # noqa: S307
    assert str(again) == str(fault)


@pytest.mark.parametrize(
    ("count", "rest"),
    [(1, ""), (2, " (and 1 more: ocipy validate lists them all)"), (5, " (and 4 more: ocipy validate lists them all)")],
)
def test_config_error_shows_the_first_fault(count, rest):
    problem = ConfigError("/b/config.json", [Fault(f"/{n}", "wrong") for n in range(count)])
    assert str(problem) == f"/b/config.json: /0: wrong{rest}"
    assert len(problem.faults) == count


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("open", errno.ENOENT, "/x"), "open /x: ENOENT: no such file or directory"),
        (("fork", errno.EAGAIN), "fork: EAGAIN: resource temporarily unavailable"),
        (("open", errno.EACCES, "/x", "run as root"), "open /x: EACCES: permission denied (run as root)"),
    ],
)
def test_syscall_error(arguments, text):
    problem = SyscallError(*arguments)
    assert str(problem) == text
    assert (problem.action, problem.errno) == arguments[:2]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("mounts[3] (/dev/mqueue)", "mount mqueue", errno.EPERM, "add an ipc namespace"),
            "mounts[3] (/dev/mqueue): mount mqueue: EPERM: operation not permitted (add an ipc namespace)",
        ),
        (("hostname", "sethostname", errno.EPERM), "hostname: sethostname: EPERM: operation not permitted"),
        (("linux.seccomp", "not supported yet"), "linux.seccomp: not supported yet"),
        (("", "exec sh: permission denied"), "exec sh: permission denied"),
        (("linux.devices[0]", "", errno.EEXIST), "linux.devices[0]: EEXIST: file exists"),
    ],
)
def test_step_error(arguments, text):
    assert str(StepError(*arguments)) == text


def test_step_error_keeps_its_parts():
    problem = StepError("where", "detail", 5, "hint", 7, "/mounts/3")
    assert (problem.detail, problem.errno, problem.hint, problem.index, problem.pointer) == (
        "detail", 5, "hint", 7, "/mounts/3",
    )  # fmt: skip


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_errno_in_words(number):
    text = os.strerror(number)
    assert describe_errno(number) == f"{errno.errorcode[number]}: {text[0].lower()}{text[1:]}"


def test_an_errno_without_a_name():
    assert describe_errno(4095) == "4095: unknown error 4095"


@pytest.mark.parametrize(
    ("text", "line"),
    [("", ""), ("one", "one"), ("one\ntwo\n", "one; two"), ("  a \n\n\t\r\n b", "a; b"), ("\n", "")],
)
def test_one_line(text, line):
    assert one_line(text) == line
