"""The pack of compiled modules: used, kept true, and never in the way."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "ocipy"
SHOW = "import sys; print(sorted(n for n, m in sys.modules.items() if type(m.__loader__).__name__ == '_Pack'))"


@pytest.fixture
def package(tmp_path):
    """A copy of the package without anything compiled."""
    copy = tmp_path / "ocipy"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.so", "ocipy-init", "bundle"))
    return copy


def run(package, *arguments, show=False):
    """Run ``ocipy ARGUMENTS`` the launcher's way; with ``show``, print which modules came from the pack."""
    entry = package / "__main__.py"
    if show:
        entry = package / "shown.py"
        text = (package / "__main__.py").read_text()
        entry.write_text(text.replace("posix._exit(", f"{SHOW}\nsys.stdout.flush()\nposix._exit("))
    command = [sys.executable, "-I", "-S", str(entry), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def pack_of(package):
    (found,) = (package / "__pycache__").glob("pack.*.bin")
    return found


def test_the_second_start_takes_all_modules_from_the_pack(package, tmp_path):
    run(package, "--root", str(tmp_path / "root"), "list", "-q")
    shown = run(package, "--root", str(tmp_path / "root"), "list", "-q", show=True)
    for name in ("ocipy.cli", "ocipy.commands", "ocipy.commands.list", "ocipy.container", "ocipy.spec.jsontext"):
        assert f"'{name}'" in shown


def test_a_source_that_changed_is_what_runs(package):
    assert "usage: ocipy [global options]" in run(package, "--help")
    cli = package / "cli.py"
    cli.write_text(cli.read_text().replace("usage: ocipy [global options]", "usage: changed"))
    for _ in range(2):
        assert "usage: changed" in run(package, "--help")


def test_other_commands_join_the_pack(package, tmp_path):
    run(package, "--version")
    before = pack_of(package).stat().st_size
    run(package, "--root", str(tmp_path / "root"), "list", "-q")
    assert pack_of(package).stat().st_size > before


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x00" * 100, b"i\x01\x00\x00\x00"])
def test_a_damaged_pack_is_written_anew(package, content):
    run(package, "--version")
    pack = pack_of(package)
    whole = pack.read_bytes()
    pack.write_bytes(content)
    assert run(package, "--version").startswith("ocipy version ")
    assert len(pack.read_bytes()) == len(whole)


def test_where_nothing_can_be_written_nothing_changes(package):
    (package / "__pycache__").write_text("a file where the directory would be")
    assert run(package, "--version").startswith("ocipy version ")


def test_a_package_that_moved_takes_nothing_from_its_old_place(package, tmp_path):
    run(package, "--version")
    moved = tmp_path / "elsewhere/ocipy"
    moved.parent.mkdir()
    package.rename(moved)
    shown = run(moved, "--version", show=True)
    assert "'ocipy.cli'" not in shown
