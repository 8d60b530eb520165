"""Every way of installing gives a command that works with an empty environment; quickstart can be repeated."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
OFFLINE = ("--no-deps", "--no-index", "--no-build-isolation")


def call(*command, **options):
    """The finished process; its output is shown when it fails."""
    outcome = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome


def version_of(command):
    """What ``--version`` prints, the environment being empty."""
    return call(command, "--version", env={}).stdout


@pytest.fixture(scope="module")
def directory():
    """A directory that other users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(scope="module")
def checkout(directory):
    """A copy of the sources alone."""
    copy = directory / "checkout"
    shutil.copytree(CHECKOUT, copy, ignore=not_sources)
    return copy


def not_sources(directory, names):
    """What ``.gitignore`` lists, and ``.git``."""
    here = Path(directory).relative_to(CHECKOUT)
    made = {".git", ".venv", "build", "dist", "bundle", "ocipy/_build.py", "ocipy/ocipy-init", "ocipy/schemas"}
    made |= {"ocipy/spec/schema.py"}
    strangers = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info", ".*_cache", ".hypothesis")
    return {name for name in names if str(here / name) in made} | set(strangers(directory, names))


@pytest.fixture(scope="module")
def wheel(checkout, directory):
    call(*PIP, "wheel", *OFFLINE, "--wheel-dir", directory / "wheels", checkout)
    (path,) = (directory / "wheels").glob("ocipy-*.whl")
    return path


@pytest.fixture(scope="module")
def environment(directory, wheel):
    """A virtual environment with the wheel installed; the dependencies are those of the tests' own environment."""
    return make_environment(directory / "environment", wheel)


def make_environment(path, *what):
    call("/usr/bin/python3", "-m", "venv", "--without-pip", path)
    site = next(path.glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    call(*PIP, "--python", path / "bin" / "python", "install", *OFFLINE, *what)
    return path


def test_wheel_has_all_products_and_no_strangers(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        init = archive.read("ocipy/ocipy-init")
        launcher = archive.getinfo(next(name for name in names if name.endswith(".data/scripts/ocipy")))
    assert {"ocipy/_shim.abi3.so", "ocipy/_build.py", "ocipy/spec/schema.py", "ocipy/schemas/VERSION"} <= set(names)
    assert {f"ocipy/schemas/{path.name}" for path in CHECKOUT.glob("schemas/*.json")} <= set(names)
    assert all(name.startswith(("ocipy/", "ocipy-")) for name in names)
    assert init.startswith(b"\x7fELF")
    assert b"/lib64/ld-linux" not in init
    assert launcher.external_attr >> 16 & 0o111 == 0o111


def test_wheel_installs_into_an_environment(environment):
    assert version_of(environment / "bin" / "ocipy").startswith("ocipy version ")


def test_dependencies_that_only_site_finds(environment, tmp_path):
    """Here they hang on a ``.pth`` file: a malformed config makes jsonschema explain."""
    (tmp_path / "config.json").write_text('{"ociVersion": 1}')
    outcome = subprocess.run(
        [environment / "bin" / "ocipy", "validate", "--bundle", tmp_path],
        check=False, capture_output=True, text=True, env={},
    )  # fmt: skip
    assert outcome.returncode == 1
    assert "/ociVersion" in outcome.stdout + outcome.stderr


def test_wheel_installs_into_a_target_directory(wheel, tmp_path):
    call(*PIP, "install", *OFFLINE, "--target", tmp_path, wheel)
    assert version_of(tmp_path / "bin" / "ocipy").startswith("ocipy version ")


@pytest.mark.root
def test_another_user_and_a_package_that_cannot_be_written(environment):
    for cache in environment.glob("lib/python*/site-packages/ocipy/**/__pycache__"):
        shutil.rmtree(cache)
    outcome = call(environment / "bin" / "ocipy", "--version", env={}, user=65534, group=65534, extra_groups=[])
    assert outcome.stdout.startswith("ocipy version ")
    assert outcome.stderr == ""


def test_source_distribution_makes_the_same_wheel(checkout, wheel, directory):
    call(sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", directory, cwd=checkout)
    (archive,) = directory.glob("ocipy-*.tar.gz")
    call(*PIP, "wheel", *OFFLINE, "--wheel-dir", directory / "again", archive)
    (other,) = (directory / "again").glob("ocipy-*.whl")
    assert contents(other) == contents(wheel)


def contents(wheel):
    """The files of a wheel that don't depend on when and where it was compiled."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name) if name.endswith((".py", ".json")) else b"" for name in sorted(archive.namelist())
        }


def test_a_deleted_module_leaves_the_wheel(checkout, wheel, tmp_path):
    stray = checkout / "ocipy" / "stray.py"
    stray.touch()
    call(*PIP, "wheel", *OFFLINE, "--wheel-dir", tmp_path / "1", checkout)
    stray.unlink()
    call(*PIP, "wheel", *OFFLINE, "--wheel-dir", tmp_path / "2", checkout)
    assert "ocipy/stray.py" in contents(next((tmp_path / "1").iterdir()))
    assert contents(next((tmp_path / "2").iterdir())) == contents(wheel)


def test_editable_install_follows_the_checkout(checkout, tmp_path):
    copy = tmp_path / "checkout"
    shutil.copytree(checkout, copy)
    command = make_environment(tmp_path / "environment", "--editable", copy) / "bin" / "ocipy"
    assert version_of(command).startswith("ocipy version ")
    face = copy / "ocipy" / "__init__.py"
    face.write_text(face.read_text().replace('__version__ = "', '__version__ = "changed-'))
    assert version_of(command).startswith("ocipy version changed-")


def test_build_in_the_checkout_makes_only_what_changed(checkout, tmp_path):
    copy = tmp_path / "checkout"
    shutil.copytree(checkout, copy)
    tree = (sys.executable, "setup.py", "--quiet", "tree")
    products = ["build/bin/ocipy", "ocipy/ocipy-init", "ocipy/_shim.abi3.so", "ocipy/spec/schema.py", "ocipy/_build.py"]

    def made():
        return [(copy / name).stat().st_mtime_ns for name in products]

    call(*tree, cwd=copy)
    first = made()
    assert version_of(copy / "build" / "bin" / "ocipy").startswith("ocipy version ")
    call(*tree, cwd=copy)
    assert made() == first
    later = time.time() + 1
    os.utime(copy / "cffi_build" / "launcher.c", (later, later))
    call(*tree, cwd=copy)
    assert made()[0] > first[0]


def test_build_with_the_usual_c_library(checkout, tmp_path):
    copy = tmp_path / "checkout"
    shutil.copytree(checkout, copy)
    call(sys.executable, "setup.py", "--quiet", "tree", cwd=copy, env={**os.environ, "OCIPY_INIT_CC": "gcc"})
    assert version_of(copy / "build" / "bin" / "ocipy").startswith("ocipy version ")


def test_no_compiler_is_one_clear_line(checkout, tmp_path):
    copy = tmp_path / "checkout"
    shutil.copytree(checkout, copy)
    outcome = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "tree"],
        check=False, capture_output=True, text=True, cwd=copy, env={**os.environ, "OCIPY_INIT_CC": "/no/compiler"},
    )  # fmt: skip
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines()[-1] == (
        "error: ocipy-init: no C compiler: [Errno 2] No such file or directory: '/no/compiler' "
        "(install gcc and libc6-dev, or set CC)"
    )


@pytest.mark.root
@pytest.mark.timeout(600)
def test_quickstart_twice(checkout, tmp_path):
    """With an empty environment but for pip's own settings, from another directory."""
    settings = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    command = (checkout / "quickstart", "--prefix", tmp_path / "prefix")
    before = files_of(checkout)
    for _ in range(2):
        started = time.monotonic()
        outcome = call(*command, cwd=tmp_path, env=settings, stdin=subprocess.DEVNULL)
        took = time.monotonic() - started
        shown = outcome.stdout.partition("ocipy run --bundle ./bundle hello\n")[2]
        assert "Hello from inside a container." in shown
        for kind in ("pid", "mnt", "net"):
            assert f"{kind}:[" in shown
            assert os.readlink(f"/proc/self/ns/{kind}") not in shown
    assert took < 20  # nothing is built again
    assert "already installed" in outcome.stdout
    assert files_of(checkout) - before == set()


def files_of(directory):
    """All files but the interpreter's caches."""
    return {path for path in directory.rglob("*") if "__pycache__" not in path.parts}
