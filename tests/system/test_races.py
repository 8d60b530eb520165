"""What engines do to one container from several sides at once: no strange error, no wrong status, nothing left."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ocipy.container import Container
from ocipy.errors import NotFoundError, OcipyError, StateError
from tests.system.runtime import children, until

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")
ORDER = ("creating", "created", "running", "stopped", "gone")


@pytest.mark.parametrize("way", ["library", "command"])
def test_a_program_that_exits_at_once(ocipy, bundle, way):
    """200 lives: each has the status of its own program."""
    statuses = (0, 1, 7, 127, 255)
    paths = [str(bundle("sh", "-c", f"exit {status}")) for status in statuses]
    rounds = 200 if way == "library" else 20
    found = []
    for number in range(rounds):
        path = paths[number % len(paths)]
        if way == "library":
            container = Container.create(ocipy.new_id(), path, root=str(ocipy.root))
            container.start()
            found.append(container.wait())
            container.delete()
        else:
            container = ocipy.new_id()
            ocipy("create", "-b", path, container, status=0)
            pid = ocipy.pid(container)
            ocipy("start", container, status=0)
            found.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            ocipy("delete", container, status=0)
    assert found == [statuses[number % len(statuses)] for number in range(rounds)]


class Watcher(threading.Thread):
    """Asks for a container's state again and again: ``seen`` are the statuses, without repetitions."""

    def __init__(self, container):
        super().__init__()
        self._container = container
        self._end = threading.Event()
        self.seen = []
        self.problems = []

    def run(self):
        while not self._end.is_set():
            try:
                status = self._look()
            except Exception as problem:  # whatever it is: the test says so
                self.problems.append(problem)
                return
            if self.seen[-1:] != [status]:
                self.seen.append(status)

    def _look(self):
        try:
            state = self._container.state()
        except NotFoundError:
            return "gone"
        assert (state["pid"] == 0) == (state["status"] in ("creating", "stopped")), state
        return state["status"]

    def stop(self):
        self._end.set()
        self.join()
        assert self.problems == []
        return self.seen


def test_state_at_any_time(ocipy, bundle):
    """While it is created, started, ends and is deleted: the statuses in their order, and no error but "not there"."""
    path = str(bundle("sh", "-c", "exit 3"))
    for _ in range(30):
        container = Container(ocipy.new_id(), str(ocipy.root))
        watchers = [Watcher(container) for _ in range(2)]
        for watcher in watchers:
            watcher.start()
        created = Container.create(container.id, path, root=container.root)
        created.start()
        assert created.wait() == 3
        created.delete()
        for watcher in watchers:
            seen = watcher.stop()
            seen = seen[1:] if seen[:1] == ["gone"] else seen
            assert seen == sorted(seen, key=ORDER.index), seen


def test_the_command_s_state_while_create_is_under_way(ocipy, bundle):
    path = bundle(*FOREVER)
    for _ in range(4):
        container = ocipy.expect(ocipy.new_id())
        with ThreadPoolExecutor(3) as pool:
            made = pool.submit(ocipy, "create", "-b", path, container)
            asked = [pool.submit(ocipy, "state", container) for _ in range(6)]
        assert made.result().returncode == 0
        errors = {future.result().stderr for future in asked}
        assert errors <= {"", f"ocipy: container {container!r} does not exist\n"}
        ocipy("delete", container, status=0)


def test_list_while_containers_come_and_go(ocipy, bundle):
    """One that has just gone is no reason for a warning."""
    path = str(bundle("true"))
    end = threading.Event()

    def lives():
        while not end.is_set():
            Container.create(ocipy.new_id(), path, root=str(ocipy.root)).delete(force=True)
            children()

    thread = threading.Thread(target=lives)
    thread.start()
    try:
        for _ in range(10):
            assert ocipy("list", "-f", "json", status=0).stderr == ""
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize("running", [True, False])
def test_deletes_at_once(ocipy, bundle, running):
    """By force all succeed, whoever did it; else one does."""
    container = (ocipy.start if running else ocipy.create)(bundle(*FOREVER))
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: ocipy("delete", "--force", container), range(4)))
    assert [(each.returncode, each.stderr) for each in done] == [(0, "")] * 4
    assert ocipy.left() == []


def test_deletes_at_once_without_force(ocipy, bundle):
    container = ocipy.create(bundle(*FOREVER))
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: ocipy("delete", container), range(4)))
    assert sorted(each.returncode for each in done) == [0, 1, 1, 1]
    assert {each.stderr for each in done} == {"", f"ocipy: container {container!r} does not exist\n"}


def test_creates_and_deletes_of_one_id(ocipy, bundle):
    """Whoever comes first has it; the others are told, and nothing is left of anybody's."""
    paths = [str(bundle(*FOREVER)) for _ in range(3)]
    container = ocipy.new_id()

    def live(path):
        for _ in range(15):
            try:
                Container.create(container, path, root=str(ocipy.root)).delete(force=True)
            except StateError as problem:
                assert "exists already" in str(problem) or isinstance(problem, NotFoundError), problem  # noqa: PT017

    def delete():
        for _ in range(30):
            Container(container, str(ocipy.root)).delete(force=True)

    with ThreadPoolExecutor(4) as pool:
        futures = [*(pool.submit(live, path) for path in paths), pool.submit(delete)]
    assert [future.result() for future in futures] == [None] * 4
    assert ocipy.left() == []
    until(lambda: not children(), "the end of the processes")


def test_kill_while_it_ends(ocipy, bundle):
    """The signal arrives, or it isn't running (any more); never anything else."""
    path = str(bundle("sh", "-c", "exit 0"))
    for number in range(20):
        container = Container.create(ocipy.new_id(), path, root=str(ocipy.root))
        container.start()
        try:
            container.kill("KILL", all=bool(number % 2))
        except StateError as problem:
            assert str(problem) == "container not running"  # noqa: PT017
        assert container.wait() in (0, 137)
        container.kill("KILL", all=True)
        container.delete()


def test_start_and_delete_at_once(ocipy, bundle):
    """start succeeds, or finds it stopped, or gone."""
    path = str(bundle(*FOREVER))
    for _ in range(15):
        container = Container.create(ocipy.new_id(), path, root=str(ocipy.root))
        with ThreadPoolExecutor(2) as pool:
            started = pool.submit(container.start)
            deleted = pool.submit(container.delete, force=True)
        deleted.result()
        problem = started.exception()
        assert problem is None or isinstance(problem, OcipyError), problem
        assert problem is None or "does not exist" in str(problem) or "stopped" in str(problem), problem
    assert ocipy.left() == []
    until(lambda: not children(), "the end of the processes")
