"""Copying the host's programs: the libraries they load, their interpreters, and symlinks as they are."""

import os
import shutil
import stat
import struct
import sys

import pytest

from ocipy.bundle import elf, host_files
from ocipy.bundle.host_files import HostCopier, copy_from_host, shared_objects
from ocipy.errors import OcipyError, UsageError

LS = os.path.realpath(shutil.which("ls"))


def elf_file(*, wide=True, little=True, interpreter=b"/lib/loader.so\0"):
    """A minimal ELF executable: its header, one PT_LOAD, and a PT_INTERP if there is an interpreter."""
    order = "<" if little else ">"
    headers = [(1, b""), *([(3, interpreter)] if interpreter else [])]
    start, size = (64, 56) if wide else (52, 32)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if little else 2, 1]) + bytes(9)
    header = struct.pack(
        order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
        2,
        62,
        1,
        0,
        start,
        0,
        0,
        start,
        size,
        len(headers),
        0,
        0,
        0,
    )
    place = start + size * len(headers)
    table = b""
    for kind, content in headers:
        if wide:
            table += struct.pack(order + "IIQQQQQQ", kind, 4, place, 0, 0, len(content), len(content), 1)
        else:
            table += struct.pack(order + "IIIIIIII", kind, place, 0, 0, len(content), len(content), 4, 1)
    return ident + header + table + interpreter


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("little", [True, False])
def test_interpreter_of_each_elf_class_and_byte_order(tmp_path, wide, little):
    path = tmp_path / "program"
    path.write_bytes(elf_file(wide=wide, little=little))
    assert elf.interpreter(str(path)) == "/lib/loader.so"
    assert not elf.is_static(str(path))
    path.write_bytes(elf_file(wide=wide, little=little, interpreter=b""))
    assert elf.is_static(str(path))


def test_every_cut_of_an_elf_file_is_reported(tmp_path):
    whole = elf_file()
    path = tmp_path / "cut"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(OcipyError, match=r"is (not an|a damaged) ELF file"):
            elf.interpreter(str(path))


def test_shared_objects_of_a_real_program():
    found = shared_objects(LS)
    assert any(os.path.basename(path).startswith(("libc.so", "libc.musl", "ld-musl")) for path in found)
    assert elf.interpreter(LS) in found
    assert all(os.path.isfile(path) for path in found)


def test_ldd_output():
    output = """\
\tlinux-vdso.so.1 (0x00007ffe)
\tlibfoo.so.1 => /opt/my libs/libfoo.so.1 (0x00007f01)
\tlibc.so.6 => /lib/libc.so.6 (0x00007f02)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f03)
"""
    assert list(host_files._parse_ldd("x", output)) == [
        "/opt/my libs/libfoo.so.1",
        "/lib/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
    ]


def test_a_missing_library_is_named():
    with pytest.raises(OcipyError, match=r"^--from-host: /bin/x needs libgone\.so\.3, which is not on this host$"):
        list(host_files._parse_ldd("/bin/x", "\tlibgone.so.3 => not found\n"))


def test_a_program_of_an_unknown_loader_is_reported(tmp_path):
    path = tmp_path / "foreign"
    path.write_bytes(elf_file(interpreter=b"/lib/no-such-loader.so\0"))
    path.chmod(0o755)
    with pytest.raises(OcipyError, match=r"^--from-host: ldd .*foreign: "):
        shared_objects(str(path))


@pytest.fixture
def copier(tmp_path):
    rootfs = tmp_path / "rootfs"
    rootfs.mkdir()
    return HostCopier(str(rootfs))


def test_symlinks_on_the_way_are_made_anew(copier, tmp_path):
    host = tmp_path / "host"
    (host / "usr/bin").mkdir(parents=True)
    (host / "bin").symlink_to("usr/bin")
    (host / "usr/bin/vi.real").write_text("#!/bin/sh\n")
    (host / "alternatives").mkdir()
    (host / "alternatives/vi").symlink_to(host / "usr/bin/vi.real")
    (host / "usr/bin/vi").symlink_to("../../alternatives/vi")
    copier.copy(f"{host}/bin/vi")
    copied = copier.rootfs + str(host)
    assert os.readlink(f"{copied}/bin") == "usr/bin"
    assert os.readlink(f"{copied}/usr/bin/vi") == "../../alternatives/vi"
    assert os.readlink(f"{copied}/alternatives/vi") == f"{host}/usr/bin/vi.real"
    assert os.path.isfile(f"{copied}/usr/bin/vi.real")


def test_a_loop_of_symlinks_ends(copier, tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OcipyError, match="more than 40 symlinks"):
        copier.copy(f"{tmp_path}/a")


def test_modes_without_setuid_and_whatever_the_umask(copier, tmp_path):
    program = tmp_path / "su"
    program.write_text("")
    program.chmod(0o4710)
    old = os.umask(0o077)
    try:
        copier.copy(str(program))
    finally:
        os.umask(old)
    copied = copier.rootfs + str(program)
    assert stat.S_IMODE(os.stat(copied).st_mode) == 0o754
    assert stat.S_IMODE(os.stat(os.path.dirname(copied)).st_mode) == 0o755
    assert os.stat(copied).st_mtime == program.stat().st_mtime


def test_a_program_outside_the_path_is_linked_into_it(copier, tmp_path):
    program = tmp_path / "mytool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copier.copy_program(str(program))
    assert os.readlink(f"{copier.rootfs}/usr/local/bin/mytool") == str(program)


@pytest.mark.parametrize(
    ("first_line", "programs"),
    [
        (b"#!/bin/sh -e\n", ["/bin/sh"]),
        (b"#! /usr/bin/env ls\n", ["/usr/bin/env", "ls"]),
        (b"#!/usr/bin/env -S A=b ls -l\n", ["/usr/bin/env", "ls"]),
        (b"echo no first line\n", ["/bin/sh"]),
        (b"#!\n", []),
        (b"data\0", []),
    ],
)
def test_interpreters(tmp_path, first_line, programs):
    script = tmp_path / "script"
    script.write_bytes(first_line)
    found = host_files._interpreters(str(script))
    assert [os.path.basename(path) for path in found] == [os.path.basename(path) for path in programs]


def test_a_script_brings_its_interpreter_and_that_ones_libraries(copier, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho hello\n")
    script.chmod(0o755)
    copier.copy_program(str(script))
    assert os.path.lexists(f"{copier.rootfs}/bin/sh") or os.path.lexists(f"{copier.rootfs}/usr/bin/sh")
    assert copier.libraries


def test_names_are_looked_up_in_path_then_the_usual_places(tmp_path, monkeypatch):
    (tmp_path / "only-here").write_text("#!/bin/sh\n")
    (tmp_path / "only-here").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host_files._find("only-here") == f"{tmp_path}/only-here"
    assert os.path.basename(host_files._find("ls")) == "ls"
    monkeypatch.delenv("PATH")
    assert os.path.basename(host_files._find("ls")) == "ls"
    with pytest.raises(UsageError, match=r"^--from-host: only-here is not in PATH$"):
        host_files._find("only-here")
    with pytest.raises(UsageError, match=r"^--from-host: /etc/passwd is not an executable file$"):
        host_files._find("/etc/passwd")


def test_a_whole_root_filesystem(tmp_path):
    root = tmp_path / "rootfs"
    root.mkdir()
    assert copy_from_host(str(root), ["ls"], optional=["no-such-program"]).startswith("ls of the host, ")
    assert (root / "etc/ld.so.cache").exists()
    assert not (root / "var").exists(), "ldconfig's own cache is left behind"
    for name in ("bin", "lib", "lib64", "sbin"):
        if os.path.islink(f"/{name}"):
            assert os.readlink(root / name) == os.readlink(f"/{name}")
    loader = elf.interpreter(LS)
    assert loader is not None
    assert os.path.lexists(f"{root}{loader}")


def test_the_callers_library_path_does_not_count(monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", os.path.dirname(sys.executable))
    monkeypatch.setenv("LD_PRELOAD", "/no/such.so")
    assert not any("such.so" in path for path in shared_objects(LS))
