"""The host's null device stays as it is: neither a mask nor a standard stream lets the container's root change it."""

import os
import subprocess

import pytest

from tests.system.looking import set_capabilities, set_linux, together

pytestmark = pytest.mark.root

# What it has already, so that the host bears it: the time of the change tells.
CHANGE = "for each in /proc/keys /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2; do chmod 666 $each; done; true"
NULL = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
AS_ROOT = together(set_capabilities("CAP_FOWNER", "CAP_MKNOD"), set_linux(maskedPaths=["/proc/keys"]))


@pytest.fixture
def unchanged():
    before = os.stat("/dev/null")
    yield
    after = os.stat("/dev/null")
    assert (after.st_ctime_ns, after.st_mode, after.st_uid) == (before.st_ctime_ns, before.st_mode, before.st_uid)


def test_through_masks_and_streams(ocipy, bundle, unchanged):
    ocipy.run(bundle("sh", "-c", CHANGE, change=AS_ROOT), status=0, **NULL)


@pytest.mark.parametrize("before", ["true", "rm /dev/null", "rm /dev/null; mkfifo /dev/null"])
def test_through_the_streams_of_exec(ocipy, bundle, unchanged, before):
    """Also where the container has done away with its own."""
    container = ocipy.start(bundle("sleep", "1000", change=AS_ROOT))
    ocipy("exec", container, "sh", "-c", before, status=0)
    ocipy("exec", container, "sh", "-c", CHANGE, status=0, **NULL)


def test_it_is_the_container_s_own(ocipy, bundle):
    script = "readlink /proc/self/fd/0; stat -c %t:%T:%d -L /proc/self/fd/0 /dev/null; cat; echo >/dev/stdin"
    name, stream, device = ocipy.run(bundle("sh", "-c", script), stdin=subprocess.DEVNULL).stdout.split()
    assert name == "/dev/null"
    assert stream == device


def test_a_mask_is_empty_and_takes_what_is_written(ocipy, bundle):
    script = "cat /proc/keys; echo x >/proc/keys && echo written; touch /proc/keys || echo kept"
    done = ocipy.run(bundle("sh", "-c", script, change=AS_ROOT))
    assert done.stdout == "written\nkept\n"
