"""The state directory: ids, the lock, whole writes, and which process is meant."""

import errno
import json
import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ocipy import state
from ocipy.errors import ConfigError, NotFoundError, StateError, SyscallError, UsageError
from ocipy.state import StateDir, check_id, list_ids


@pytest.fixture
def root(tmp_path):
    return str(tmp_path)


@pytest.fixture
def made(root):
    """A container's directory, made and locked."""
    directory = StateDir(root, "box")
    directory.create()
    yield directory
    directory.close()


@pytest.mark.parametrize("name", ["a", "A-b_c+d.9", "..x", "...", "-", "0", "a" * 1024])
def test_ids(name):
    check_id(name)


@pytest.mark.parametrize(
    "name", [".", "..", "a/b", "/", "a b", "a\n", "ü", "a\0", "@cgroups", "a:b", "\udcff", "٣", "a" * 1025]
)
def test_bad_ids(name):
    with pytest.raises(UsageError, match="^invalid container id format: "):
        StateDir("/nowhere", name)


def test_empty_id():
    with pytest.raises(UsageError, match="^container id cannot be empty$"):
        check_id("")


def test_create(made, root):
    assert made.exists()
    assert stat.S_IMODE(os.stat(made.path).st_mode) == 0o700
    assert made.is_locked()
    with pytest.raises(StateError, match="^container with id exists already: box$"):
        StateDir(root, "box").create()
    with pytest.raises(StateError, match="^container with id exists already: box$"):
        StateDir(root, "box").refuse_used()
    StateDir(root, "other").refuse_used()


def test_create_without_a_root_directory(root):
    with pytest.raises(SyscallError, match="^make the state directory .*: ENOENT: "):
        StateDir(f"{root}/missing", "box").create()


def test_root_directory_is_made_with_its_parents(root):
    directory = StateDir(f"{root}/a/b/c", "box")
    directory.make_root()
    directory.make_root()
    assert [stat.S_IMODE(os.stat(f"{root}/{path}").st_mode) for path in ("a", "a/b", "a/b/c")] == [0o700, 0o700, 0o1700]


def test_root_directory_below_a_file(root):
    Path(f"{root}/file").touch()
    with pytest.raises(SyscallError, match=f"^make the root directory {root}/file/x: ENOTDIR: "):
        StateDir(f"{root}/file/x", "box").make_root()


def test_lock_of_nothing(root):
    with pytest.raises(NotFoundError, match="^container 'box' does not exist$"):
        StateDir(root, "box").lock()
    Path(f"{root}/box").touch()
    with pytest.raises(NotFoundError, match="^container 'box' does not exist$"):
        StateDir(root, "box").lock()


def test_the_lock_is_held_until_close(made, root):
    other = StateDir(root, "box")
    assert other.is_locked()
    made.close()
    assert not other.is_locked()
    other.lock()
    assert made.is_locked()
    other.close()
    other.close()


def test_to_look_is_not_to_lock(made):
    """Two that look at a time must not see each other."""
    made.close()
    before = os.listdir("/proc/self/fd")
    assert [made.is_locked() for _ in range(3)] == [False] * 3
    assert os.listdir("/proc/self/fd") == before
    assert not StateDir(made.root, "nobody").is_locked()


def test_who_waited_for_a_lock_finds_the_container_gone(made, root, monkeypatch):
    """The directory was opened before it was removed: the lock is one on nothing."""
    made.close()
    other = StateDir(root, "box")
    monkeypatch.setattr("fcntl.flock", lambda fd, operation: os.rmdir(made.path))
    with pytest.raises(NotFoundError, match="^container 'box' does not exist$"):
        other.lock()
    assert other._fd == -1


def test_lock_and_read_of_what_may_not_be_opened(made, root, monkeypatch):
    def refuse(path, flags, mode=0):
        raise PermissionError(errno.EACCES, "", path)

    monkeypatch.setattr("posix.open", refuse)
    with pytest.raises(SyscallError, match=f"^open the state directory {root}/box: EACCES: "):
        StateDir(root, "box").lock()
    with pytest.raises(SyscallError, match=f"^open {root}/box/state.json: EACCES: "):
        made.read()


def test_write_and_read(made):
    value = {"id": "box", "annotations": {"a": "ü\udcff"}, "list": [1, {"b": True}], "number": 2**63}
    made.write(value)
    assert made.read() == value
    assert stat.S_IMODE(os.stat(f"{made.path}/state.json").st_mode) == 0o600
    made.write({"id": "box"})
    assert made.read() == {"id": "box"}
    assert os.listdir(made.path) == ["state.json"]


def test_a_write_that_fails_leaves_what_was_there(made, monkeypatch):
    def full(fd, data):
        raise OSError(errno.ENOSPC, "")

    made.write({"id": "old"})
    monkeypatch.setattr("posix.write", full)
    with pytest.raises(SyscallError, match=r"^write .*/box/state.json: ENOSPC: "):
        made.write({"id": "new"})
    assert made.read() == {"id": "old"}


def test_readers_see_the_old_or_the_new_whole(made, root):
    """Writing is by rename: no reader ever finds half a file."""
    values = [{"id": "box", "padding": letter * 50_000} for letter in "ab"]
    made.write(values[0])
    done = threading.Event()

    def write():
        for _ in range(30):
            for value in values:
                made.write(value)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    reader = StateDir(root, "box")
    while not done.is_set():
        assert reader.read() in values
    thread.join()


def test_read_of_what_a_crash_left(made, root):
    assert made.read() == {}
    with pytest.raises(NotFoundError, match="^container 'nobody' does not exist$"):
        StateDir(root, "nobody").read()


def test_read_of_broken_json(made):
    Path(f"{made.path}/state.json").write_text('{"id": ')
    with pytest.raises(ConfigError, match=r"/box/state.json: /id \(line 1, column 8\): "):
        made.read()


def test_remove(made, root):
    made.write({})
    Path(f"{made.path}/{state.SOCKET}").touch()
    made.remove()
    assert os.listdir(root) == []
    made.remove()


def test_remove_with_what_a_container_has_put_there(made, root, tmp_path):
    """Root of a privileged one may write to the directory of its NOTIFY_SOCKET."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    notify = Path(made.path, "notify")
    (notify / "a/b/c").mkdir(parents=True)
    (notify / "a/b/file").touch()
    for link in (notify / "notify", notify / "a/notify", notify / "a/b/link"):
        link.symlink_to(kept)
    place = os.open(notify, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d", dir_fd=place)
        below = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
    made.remove()
    assert not Path(made.path).exists()
    assert (kept / "file").exists()


def test_remove_says_what_stands_in_the_way(made):
    os.mkdir(f"{made.path}/directory")
    with pytest.raises(SyscallError, match=r"^remove the state directory .*/box: EISDIR: "):
        made.remove()
    assert not made.is_locked()


def test_a_short_way_to_a_file(made):
    Path(f"{made.path}/x").write_text("here")
    assert Path(made.entry("x")).read_text() == "here"
    assert len(made.entry(state.SOCKET)) < 108  # unix(7)
    assert state.SOCKET == "init.sock"  # containers made by another version have it


def test_one_of_many_creates_wins(root):
    won, lost = [], []

    def create():
        directory = StateDir(root, "box")
        try:
            directory.create()
            won.append(directory)
        except StateError:
            lost.append(directory)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won[0].close()
    assert (len(won), len(lost)) == (1, 7)


def test_ids_of_a_root_directory(root):
    for name in ("b", "a.1", "@cgroups", "@seccomp", "C"):
        os.mkdir(f"{root}/{name}")
    assert list_ids(root) == ["C", "a.1", "b"]
    assert list_ids(f"{root}/missing") == []


def test_timestamp_is_go_s():
    text = state.timestamp()
    assert len(text) == len("2024-02-29T23:59:59.123456789Z")
    assert text[-1] == "Z"
    moment = datetime.fromisoformat(text[:26]).replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 5


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "1970-01-01T00:00:00.000000000Z"), (951827696 * 10**9 + 1, "2000-02-29T12:34:56.000000001Z")],
)
def test_timestamp(monkeypatch, nanoseconds, text):
    monkeypatch.setattr("time.time_ns", lambda: nanoseconds)
    assert state.timestamp() == text


def test_hook_document():
    found = {
        "ociVersion": "1.3.0", "id": "box", "bundle": "/b", "annotations": {"a": "b"}, "init_process_pid": 7,
        "created": "", "status": "created",
    }  # fmt: skip
    document = {"ociVersion": "1.3.0", "id": "box", "bundle": "/b", "annotations": {"a": "b"}}
    assert state.hook_document(found, "created") == {**document, "status": "created", "pid": 7}
    assert state.hook_document(found, "stopped") == {**document, "status": "stopped"}
    found["init_process_pid"] = 0
    assert state.hook_document(found, "creating") == {**document, "status": "creating"}


def test_state_is_json_for_anyone(made):
    made.write({"id": "box"})
    assert json.loads(Path(f"{made.path}/state.json").read_bytes()) == {"id": "box"}


def a_state(**changes):
    return {"status": "created", "init_process_pid": 0, "init_process_start": 0, "cgroup_paths": {}} | changes


def test_looking_at_one_that_is_being_made(root, made):
    """Before anything is written there is nothing to be seen."""
    other = StateDir(root, "box")
    with pytest.raises(NotFoundError):
        other.look()
    made.write(a_state(status="creating"))
    assert other.look() == (a_state(status="creating"), "creating")


def test_looking_at_one_that_a_create_died_in(root, made):
    made.write(a_state(status="creating"))
    made.close()
    assert StateDir(root, "box").look() == (a_state(status="creating"), "stopped")


def test_looking_at_one_that_a_create_died_in_before_it_wrote_anything(root, made):
    made.close()
    assert StateDir(root, "box").look() == ({}, "stopped")


def test_a_create_that_ends_between_two_looks(root, made, monkeypatch):
    """It is done, and not dead."""
    made.write(a_state(status="creating"))
    other = StateDir(root, "box")

    def end():
        made.write(a_state(init_process_pid=os.getpid(), init_process_start=state.process_stat(os.getpid()).start_time))
        return False

    monkeypatch.setattr(StateDir, "is_locked", lambda self: end())
    found, status = other.look()
    assert (found["init_process_pid"], status) == (os.getpid(), "running")


def test_a_create_that_has_made_the_directory_and_not_locked_it_yet(root, monkeypatch):
    os.mkdir(f"{root}/box")
    answers = iter([False, False, True])
    monkeypatch.setattr(StateDir, "is_locked", lambda self: next(answers))
    with pytest.raises(NotFoundError):
        StateDir(root, "box").look()


def test_a_directory_that_goes_between_two_looks(root, made, monkeypatch):
    made.write(a_state(status="creating"))
    other = StateDir(root, "box")
    monkeypatch.setattr(StateDir, "is_locked", lambda self: made.remove())
    with pytest.raises(NotFoundError):
        other.look()
