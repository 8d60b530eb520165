"""The faults of a profile that need no compiler to be seen."""

import pytest

from ocipy.seccomp import SeccompError, check, compile_filter

ALLOW = "SCMP_ACT_ALLOW"
ERRNO = "SCMP_ACT_ERRNO"
NOTIFY = "SCMP_ACT_NOTIFY"


def rule(action=ALLOW, names=("mkdir",), **more):
    return {"names": list(names), "action": action, **more}


def argument(index):
    return {"index": index, "value": 1, "op": "SCMP_CMP_EQ"}


FAULTY = [
    ({"defaultAction": NOTIFY}, "/defaultAction", "listenerPath"),
    ({"defaultAction": NOTIFY, "syscalls": [rule(NOTIFY)]}, "/defaultAction", "listenerPath"),
    ({"defaultAction": ALLOW, "defaultErrnoRet": 1}, "/defaultErrnoRet", "SCMP_ACT_ALLOW takes no errno"),
    ({"defaultAction": ERRNO, "defaultErrnoRet": 4095}, "/defaultErrnoRet", "at most 4094"),
    ({"defaultAction": "SCMP_ACT_TRACE", "defaultErrnoRet": 65536}, "/defaultErrnoRet", "at most 65535"),
    ({"defaultAction": ERRNO, "syscalls": [rule(errnoRet=0)]}, "/syscalls/0/errnoRet", "takes no errno"),
    (
        {"defaultAction": ALLOW, "syscalls": [rule(ERRNO), rule("SCMP_ACT_KILL", errnoRet=1)]},
        "/syscalls/1/errnoRet",
        "SCMP_ACT_KILL takes no errno",
    ),
    ({"defaultAction": ERRNO, "syscalls": [rule(names=["read", ""])]}, "/syscalls/0/names/1", "empty"),
    ({"defaultAction": ALLOW, "syscalls": [rule(ERRNO), rule(NOTIFY)]}, "/syscalls/1/action", "listenerPath"),
    ({"defaultAction": ALLOW, "listenerPath": "", "syscalls": [rule(NOTIFY)]}, "/syscalls/0/action", "listenerPath"),
    ({"defaultAction": ALLOW, "listenerMetadata": "x"}, "/listenerMetadata", "without listenerPath"),
    (
        {"defaultAction": ERRNO, "syscalls": [rule(args=[argument(0), argument(6)])]},
        "/syscalls/0/args/1/index",
        "0 to 5",
    ),
]


@pytest.mark.parametrize(("seccomp", "pointer", "words"), FAULTY)
def test_fault(seccomp, pointer, words):
    faults = check(seccomp)
    assert [fault.pointer for fault in faults] == [f"/linux/seccomp{pointer}"]
    assert words in faults[0].message
    with pytest.raises(SeccompError) as caught:
        compile_filter(seccomp)
    assert str(caught.value) == str(faults[0])
    assert [fault.pointer for fault in caught.value.faults] == [faults[0].pointer]


def test_all_faults_are_told():
    seccomp = {"defaultAction": ALLOW, "defaultErrnoRet": 1, "syscalls": [rule(NOTIFY, [""])]}
    assert [fault.pointer.removeprefix("/linux/seccomp") for fault in check(seccomp)] == [
        "/defaultErrnoRet",
        "/syscalls/0/names/0",
        "/syscalls/0/action",
    ]


@pytest.mark.parametrize(
    "seccomp",
    [
        {"defaultAction": ALLOW},
        {"defaultAction": ERRNO, "defaultErrnoRet": 4094, "syscalls": [rule(args=[argument(5)])]},
        {"defaultAction": "SCMP_ACT_TRACE", "defaultErrnoRet": 65535},
        # The spec: ignored when the action isn't used.
        {"defaultAction": ALLOW, "listenerPath": "/s", "listenerMetadata": "x"},
        {"defaultAction": ALLOW, "listenerPath": "/s", "syscalls": [rule(NOTIFY, ["read", "write", "sendmsg"])]},
        {"defaultAction": NOTIFY, "listenerPath": "/s"},
    ],
)
def test_no_fault(seccomp):
    assert check(seccomp) == []


def test_the_engine_profile_has_no_fault(profile):
    assert check(profile) == []
