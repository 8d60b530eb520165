"""The cache of compiled filters: what is taken from it, and what never is."""

import os
import subprocess
import sys

import pytest

from ocipy import seccomp as package
from ocipy.seccomp import cache, compile_filter

PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [{"names": ["mkdirat", "no_such_call"], "action": "SCMP_ACT_ALLOW"}],
}


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "seccomp"


@pytest.fixture
def compilations(monkeypatch):
    """Every profile that goes to the compiler."""
    seen = []
    compile_ = package._compile

    def compile_and_note(seccomp):
        seen.append(seccomp)
        return compile_(seccomp)

    monkeypatch.setattr(package, "_compile", compile_and_note)
    return seen


def compiled(directory, seccomp=PROFILE):
    filter_ = compile_filter(seccomp, str(directory))
    return filter_.bpf, filter_.flags, filter_.unknown


def entry(directory):
    (only,) = directory.iterdir()
    return only


def test_compiled_once(directory, compilations):
    first = compiled(directory)
    assert compiled(directory) == first
    assert len(compilations) == 1
    assert first[2] == ["no_such_call"]
    assert directory.stat().st_mode & 0o7777 == 0o700
    assert entry(directory).stat().st_mode & 0o7777 == 0o600


def test_none_means_no_cache(compilations):
    assert compile_filter(PROFILE).bpf == compile_filter(PROFILE, None).bpf
    assert len(compilations) == 2


def test_listener_is_the_containers_own(directory, compilations):
    profile = PROFILE | {"syscalls": [{"names": ["mkdirat"], "action": "SCMP_ACT_NOTIFY"}], "listenerPath": "/a"}
    compile_filter(profile, str(directory))
    other = compile_filter(profile | {"listenerPath": "/b", "listenerMetadata": "m"}, str(directory))
    assert (other.listener_path, other.listener_metadata, other.notify) == ("/b", "m", True)
    assert len(compilations) == 1


@pytest.mark.parametrize(
    "change",
    [{"defaultErrnoRet": 2}, {"flags": []}, {"defaultAction": "SCMP_ACT_KILL"}, {"syscalls": []}],
)
def test_another_profile_is_another_entry(directory, compilations, change):
    compiled(directory)
    compiled(directory, PROFILE | change)
    assert len(compilations) == 2
    assert len(list(directory.iterdir())) == 2


def test_a_profile_with_faults_is_never_looked_up(directory):
    with pytest.raises(package.SeccompError):
        compiled(directory, PROFILE | {"listenerMetadata": "m"})
    assert not directory.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[: cache.HASH_SIZE],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
    ],
)
def test_a_corrupt_entry_is_compiled_anew(directory, compilations, spoil):
    first = compiled(directory)
    good = entry(directory).read_bytes()
    entry(directory).write_bytes(spoil(good))
    assert compiled(directory) == first
    assert entry(directory).read_bytes() == good
    assert len(compilations) == 2


def test_an_entry_under_another_name_is_no_entry(directory, compilations):
    compiled(directory, PROFILE | {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []})
    permissive = entry(directory).read_bytes()
    entry(directory).unlink()
    first = compiled(directory)
    entry(directory).write_bytes(permissive)
    assert compiled(directory) == first
    assert len(compilations) == 3


@pytest.mark.parametrize("mode", [0o640, 0o602, 0o604])
def test_an_entry_others_can_reach_is_no_entry(directory, compilations, mode):
    compiled(directory)
    entry(directory).chmod(mode)
    compiled(directory)
    assert len(compilations) == 2
    assert entry(directory).stat().st_mode & 0o7777 == 0o600


def test_an_entry_that_is_a_link_is_no_entry(directory, compilations, tmp_path):
    compiled(directory)
    aside = tmp_path / "aside"
    entry(directory).rename(aside)
    (directory / cache_name()).symlink_to(aside)
    compiled(directory)
    assert len(compilations) == 2
    assert not entry(directory).is_symlink()


def cache_name():
    return package._key(PROFILE).hex()


def test_an_entry_that_is_a_fifo_does_not_block(directory, compilations):
    directory.mkdir(0o700)
    os.mkfifo(directory / cache_name(), 0o600)
    compiled(directory)
    assert len(compilations) == 1
    assert entry(directory).is_file()


@pytest.mark.parametrize("mode", [0o755, 0o701, 0o770])
def test_a_directory_others_can_reach_is_not_used(directory, compilations, capfd, mode):
    compiled(directory)
    directory.chmod(mode)
    compiled(directory)
    compiled(directory, PROFILE | {"flags": []})
    assert len(compilations) == 3
    assert len(list(directory.iterdir())) == 1
    assert f"seccomp cache {directory} is not used" in capfd.readouterr().err


def test_a_directory_of_somebody_else_is_not_used(directory, compilations, monkeypatch):
    compiled(directory)
    other = os.geteuid() + 1
    monkeypatch.setattr(cache.posix, "geteuid", lambda: other)
    compiled(directory)
    assert len(compilations) == 2


def test_a_link_to_a_directory_is_not_used(directory, tmp_path, compilations):
    (tmp_path / "real").mkdir(0o700)
    directory.symlink_to(tmp_path / "real")
    compiled(directory)
    compiled(directory)
    assert len(compilations) == 2
    assert list((tmp_path / "real").iterdir()) == []


def test_no_directory_can_be_made(tmp_path, compilations):
    compiled(tmp_path / "not" / "there")
    assert len(compilations) == 1


def test_another_libseccomp_compiles_anew(directory, compilations, monkeypatch, tmp_path):
    library = tmp_path / "libseccomp.so.2"
    library.write_bytes(b"2.5.4")
    monkeypatch.setattr("ocipy.seccomp.library.path", lambda: str(library))
    compiled(directory)
    compiled(directory)
    assert len(compilations) == 1
    library.unlink()
    library.write_bytes(b"2.5.5!")
    compiled(directory)
    assert len(compilations) == 2


def test_without_knowing_the_library_nothing_is_stored(directory, compilations, monkeypatch):
    monkeypatch.setattr("ocipy.seccomp.library.path", lambda: "")
    compiled(directory)
    compiled(directory)
    assert len(compilations) == 2
    assert not directory.exists()


def test_a_full_directory_is_emptied(directory, monkeypatch):
    monkeypatch.setattr(cache, "MAX_ENTRIES", 3)
    directory.mkdir(0o700)
    (directory / "new-left-over").touch()
    for value in range(2, 4):
        compiled(directory, PROFILE | {"defaultErrnoRet": value})
    assert len(list(directory.iterdir())) == 3
    compiled(directory, PROFILE | {"defaultErrnoRet": 4})
    assert len(list(directory.iterdir())) == 1


def test_names_of_any_kind_survive(directory, compilations):
    profile = PROFILE | {"syscalls": [{"names": ["\ud800", "caf\u00e9"], "action": "SCMP_ACT_ALLOW"}]}
    assert compiled(directory, profile)[2] == ["\ud800", "caf\u00e9"]
    assert compiled(directory, profile)[2] == ["?", "caf\u00e9"]
    assert len(compilations) == 1


HIT = """
import sys
sys.path.append(ROOT)
from ocipy.seccomp import compile_filter
filter_ = compile_filter(PROFILE, DIRECTORY)
heavy = {"os", "re", "enum", "json", "ctypes", "hashlib", "typing", "subprocess", "pyseccomp", "collections"}
print(len(filter_.bpf), sorted(heavy & set(sys.modules)), "ocipy.seccomp.compiler" in sys.modules)
"""


def test_a_hit_imports_nothing_heavy(directory):
    bpf, _, _ = compiled(directory)
    root = package.__file__.rpartition("/ocipy/")[0]
    script = (
        HIT.replace("ROOT", repr(root)).replace("PROFILE", repr(PROFILE)).replace("DIRECTORY", repr(str(directory)))
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{len(bpf)} [] False\n"
