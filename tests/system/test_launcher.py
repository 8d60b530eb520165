"""The command's launcher, alone in a root of its own: which package and which interpreter it takes, and how.

In place of the interpreter stands a program that prints its arguments.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cffi_build import products

pytestmark = [pytest.mark.root, pytest.mark.tool("cc")]

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/python{VERSION}/site-packages"

# Prints its arguments, and how many of the first ten descriptors are open.
PYTHON = r"""
#include <fcntl.h>
#include <stdio.h>
int main(int argc, char **argv) {
  int open = 0;
  for (int fd = 0; fd < 10; fd++) open += fcntl(fd, F_GETFD) >= 0;
  for (int i = 0; i < argc; i++) puts(argv[i]);
  return open;
}
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A directory with the ``launcher`` and the ``python``."""
    directory = tmp_path_factory.mktemp("programs")
    products.build_launcher(directory / "launcher", directory / "work")
    (directory / "python.c").write_text(PYTHON)
    subprocess.run(["cc", "-static", directory / "python.c", "-o", directory / "python"], check=True)
    return directory


class Root:
    """A root directory with nothing in it but what a test puts there."""

    def __init__(self, path, programs):
        self.path = path
        self.programs = programs
        self.python(f"/usr/bin/python{VERSION}")

    def launcher(self, path):
        target = Path(f"{self.path}{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.programs / "launcher", target)
        return path

    def python(self, path):
        target = Path(f"{self.path}{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.programs / "python", target)

    def package(self, site):
        directory = Path(f"{self.path}{site}", "ocipy")
        directory.mkdir(parents=True)
        (directory / "__main__.py").touch()
        return f"{site}/ocipy/__main__.py"

    def run(self, *argv, proc=True, executable=None, **options):
        def enter():
            os.chroot(self.path)
            os.chdir("/")

        command = list(argv)
        if proc:
            # What the launcher reads of /proc, at a price a test can pay: no mount.
            target = self.path / "proc" / "self"
            target.mkdir(parents=True, exist_ok=True)
            link = target / "exe"
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.realpath(f"{self.path}{executable or argv[0]}").removeprefix(str(self.path)))
        return subprocess.run(
            command,
            executable=executable,
            preexec_fn=enter,  # the test has no threads
            check=False,
            capture_output=True,
            text=True,
            env={},
            **options,
        )


@pytest.fixture
def root(tmp_path, programs):
    return Root(tmp_path, programs)


def started(python, package, *arguments):
    return [python, "-I", "-S", "-Xutf8", package, *arguments]


@pytest.mark.parametrize(
    ("command", "site"),
    [
        ("/venv/bin/ocipy", f"/venv/{SITE}"),
        ("/usr/local/bin/ocipy", f"/usr/local/lib/python{VERSION}/dist-packages"),
        ("/usr/bin/ocipy", "/usr/lib/python3/dist-packages"),
        ("/home/user/.local/bin/ocipy", f"/home/user/.local/{SITE}"),
        ("/usr/bin/ocipy", f"/usr/lib64/python{VERSION}/site-packages"),
        ("/target/bin/ocipy", "/target"),
        ("/bin/ocipy", f"/{SITE}"),
    ],
)
def test_finds_the_package_of_every_layout(root, command, site):
    package = root.package(site)
    outcome = root.run(root.launcher(command), "state", "an id", "")
    assert outcome.stdout.split("\n") == [*started(f"/usr/bin/python{VERSION}", package, "state", "an id", ""), ""]
    assert outcome.stderr == ""


def test_a_virtual_environment_brings_its_interpreter(root):
    package = root.package(f"/venv/{SITE}")
    root.python(f"/venv/bin/python{VERSION}")
    outcome = root.run(root.launcher("/venv/bin/ocipy"))
    assert outcome.stdout.splitlines() == started(f"/venv/bin/python{VERSION}", package)


@pytest.mark.parametrize("name", ["/usr/bin/runc", "/opt/links/ocipy", "/runtime"])
def test_links_and_other_names_do_not_matter(root, name):
    package = root.package(f"/venv/{SITE}")
    link = Path(f"{root.path}{name}")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(f"{root.path}{root.launcher('/venv/bin/ocipy')}", link.parent))
    assert root.run(name).stdout.splitlines() == started(f"/usr/bin/python{VERSION}", package)


def test_argv_0_does_not_matter(root):
    package = root.package(f"/venv/{SITE}")
    outcome = root.run("anything", "list", executable=root.launcher("/venv/bin/ocipy"))
    assert outcome.stdout.splitlines() == started(f"/usr/bin/python{VERSION}", package, "list")


@pytest.mark.parametrize("prefix", ["/usr/local/lib/ocipy", "/usr/local"])
def test_a_copy_elsewhere_finds_the_usual_installations(root, prefix):
    package = root.package(f"{prefix}/{SITE}")
    root.python(f"{prefix}/bin/python{VERSION}")
    outcome = root.run(root.launcher("/opt/runtimes/ocipy"))
    assert outcome.stdout.splitlines() == started(f"{prefix}/bin/python{VERSION}", package)


def test_without_proc_the_usual_installations_are_found(root):
    package = root.package("/usr/lib/python3/dist-packages")
    outcome = root.run(root.launcher("/usr/bin/ocipy"), proc=False)
    assert outcome.stdout.splitlines() == started(f"/usr/bin/python{VERSION}", package)


def test_its_own_prefix_comes_first(root):
    root.package(f"/usr/local/lib/ocipy/{SITE}")
    package = root.package(f"/venv/{SITE}")
    outcome = root.run(root.launcher("/venv/bin/ocipy"))
    assert outcome.stdout.splitlines() == started(f"/usr/bin/python{VERSION}", package)


def test_closed_standard_streams_are_filled(root):
    (root.path / "dev").mkdir()
    (root.path / "dev/null").touch()
    root.package(f"/venv/{SITE}")
    # A shell isn't there to close them: the launcher runs under a Python that does.
    close = "import os, sys; os.chroot(sys.argv[1]); os.closerange(0, 3); os.execv(sys.argv[2], sys.argv[2:])"
    link = root.path / "proc/self/exe"
    link.parent.mkdir(parents=True)
    link.symlink_to(root.launcher("/venv/bin/ocipy"))
    outcome = subprocess.run([sys.executable, "-c", close, root.path, "/venv/bin/ocipy"], check=False)
    assert outcome.returncode == 3


def test_no_package_is_one_clear_line(root):
    outcome = root.run(root.launcher("/opt/bin/ocipy"))
    assert outcome.returncode == 1
    assert outcome.stderr == (
        f"ocipy: the Python package ocipy isn't installed for Python {VERSION} beside this command\n"
    )


def test_no_interpreter_is_one_clear_line(root):
    root.package(f"/venv/{SITE}")
    (root.path / f"usr/bin/python{VERSION}").unlink()
    outcome = root.run(root.launcher("/venv/bin/ocipy"))
    assert outcome.returncode == 1
    assert outcome.stderr == f"ocipy: no interpreter: /usr/bin/python{VERSION} doesn't exist\n"


def test_an_interpreter_that_cannot_run_is_one_clear_line(root):
    root.package(f"/venv/{SITE}")
    (root.path / f"usr/bin/python{VERSION}").write_bytes(b"not a program")
    outcome = root.run(root.launcher("/venv/bin/ocipy"))
    assert outcome.returncode == 1
    assert outcome.stderr == f"ocipy: cannot execute /usr/bin/python{VERSION}: exec format error\n"


def test_many_arguments(root):
    package = root.package(f"/venv/{SITE}")
    arguments = [f"argument-{number}" for number in range(20_000)]
    outcome = root.run(root.launcher("/venv/bin/ocipy"), *arguments)
    assert outcome.stdout.splitlines() == started(f"/usr/bin/python{VERSION}", package, *arguments)
