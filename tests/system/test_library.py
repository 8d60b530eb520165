"""``import ocipy``: the whole lifecycle in process, from one thread and from several."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import ocipy as package
from ocipy import ConfigError, Container, NotFoundError, OcipyError, StateError, StepError, UsageError
from tests.system.runtime import REPOSITORY, change_at

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")


@pytest.fixture
def root(ocipy):
    return str(ocipy.root)


def test_a_life(root, bundle):
    path = bundle("sh", "-c", "exit 6")
    container = Container.create("life", str(path), root=root)
    assert repr(container) == f"Container('life', root={root!r})"
    assert container.status == "created"
    assert container.state()["pid"] == container.pid > 0
    container.start()
    assert container.wait() == 6
    assert container.status == "stopped"
    assert container.pid == 0
    assert container.wait() is None, "its status was taken before"
    container.delete()
    with pytest.raises(NotFoundError):
        _ = container.status
    container.delete(force=True)


def test_load(root, bundle):
    Container.create("one", str(bundle(*FOREVER)), root=root)
    Container.create("two", str(bundle(*FOREVER)), root=root)
    assert [each.id for each in Container.list(root)] == ["one", "two"]
    loaded = Container.load("one", root)
    loaded.start()
    assert Container.load("one", root).status == "running"
    for container in Container.list(root):
        container.delete(force=True)
    with pytest.raises(NotFoundError):
        Container.load("one", root)


def test_run(root, bundle):
    assert Container.run("run", str(bundle("sh", "-c", "exit 9")), root=root) == 9
    with pytest.raises(StepError, match="no-such"):
        Container.run("run", str(bundle("no-such")), root=root)


def test_kill_by_name_and_number(root, bundle):
    container = Container.create("kill", str(bundle(*FOREVER)), root=root)
    container.start()
    with pytest.raises(UsageError):
        container.kill("NOPE")
    container.kill(9)
    assert container.wait() == 137
    with pytest.raises(StateError, match="container not running"):
        container.kill("KILL")
    container.delete()


def test_errors_are_typed(root, bundle):
    path = str(bundle(*FOREVER))
    container = Container.create("errors", path, root=root)
    with pytest.raises(StateError, match="exists already"):
        Container.create("errors", path, root=root)
    container.start()
    with pytest.raises(StateError, match="already running"):
        container.start()
    with pytest.raises(StateError, match="not stopped: running"):
        container.delete()
    container.delete(force=True)
    with pytest.raises(ConfigError) as raised:
        Container.create("errors", str(bundle(change=change_at("process", "cwd", value=5))), root=root)
    assert raised.value.faults[0].pointer == "/process/cwd"
    with pytest.raises(StepError) as raised:
        Container.create("errors", str(bundle("no-such")), root=root)
    assert raised.value.pointer == "/process/args/0"
    with pytest.raises(UsageError):
        Container("a/b", root)
    assert all(issubclass(each, OcipyError) for each in (ConfigError, StateError, StepError, UsageError, NotFoundError))


def test_relative_paths(root, bundle, monkeypatch):
    path = bundle("true")
    monkeypatch.chdir(path.parent)
    container = Container.create("relative", path.name, root="root")
    assert container.root == root
    assert container.state()["bundle"] == str(path)
    monkeypatch.chdir("/")
    container.delete()


def test_many_threads(root, bundle):
    """Each thread lives whole lives; their children are one process's, and nobody takes another's exit status."""
    paths = [str(bundle("sh", "-c", f"exit {number}")) for number in range(16)]

    def live(number):
        container = Container.create(f"thread-{number}", paths[number], root=root)
        container.start()
        status = container.wait()
        container.delete()
        return status

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(live, range(16))) == list(range(16))


def test_one_container_used_by_many_threads(root, bundle):
    container = Container.create("shared", str(bundle(*FOREVER)), root=root)
    outcomes = []

    def start():
        try:
            container.start()
            outcomes.append("started")
        except StateError as problem:
            outcomes.append(str(problem))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["cannot start an already running container"] * 3 + ["started"]

    waiters = ThreadPoolExecutor(3)
    ends = [waiters.submit(container.wait) for _ in range(3)]
    container.kill("KILL")
    statuses = [end.result(timeout=10) for end in ends]
    waiters.shutdown()
    assert statuses.count(137) == 1
    assert statuses.count(None) == 2
    container.delete()


def test_a_container_outlives_the_thread_that_made_it(root, bundle):
    """PR_SET_PDEATHSIG is about the thread, not the process: it has to be cleared by then."""
    path = str(bundle(*FOREVER))
    thread = threading.Thread(target=lambda: Container.create("orphan", path, root=root))
    thread.start()
    thread.join()
    container = Container.load("orphan", root)
    container.start()
    assert container.status == "running"
    container.delete(force=True)


def test_closed_stdio_in_the_calling_process(root, bundle):
    """A service may have closed its standard streams: what is opened next must not become the container's stdin."""
    path = bundle("sh", "-c", "test ! -S /proc/self/fd/0 && sleep 1000")
    program = f"""
import os, sys
sys.path.insert(0, {str(REPOSITORY)!r})
for fd in range(3):
    os.close(fd)
import ocipy
container = ocipy.Container.create("closed", {str(path)!r}, root={root!r})
container.start()
streams = {{os.readlink(f"/proc/{{container.pid}}/fd/{{fd}}") for fd in range(3)}}
container.delete(force=True)
os._exit(0 if streams == {{"/dev/null"}} else 1)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=20)
    assert done.returncode == 0


def test_the_face():
    assert set(package.__all__) >= {"Container", "OcipyError", "__version__", "SPEC_VERSION"}
    assert all(getattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError):
        _ = package.nothing
