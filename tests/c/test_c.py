"""The parts of ocipy-init that take what others wrote, as programs of their own, under sanitizers."""

import errno
import itertools
import os
import random
import subprocess
from pathlib import Path

import pytest

from cffi_build import sources
from ocipy.plan.encode import encode
from ocipy.plan.ops import INIT, KINDS, Plan, SetupOp

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "cffi_build"
SANITIZE = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
FLAGS = [*sources.CFLAGS, "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-clobbered", f"-I{SOURCES}"]

pytestmark = pytest.mark.tool("gcc")


def build(directory, name, *files):
    program = directory / name
    inputs = [str(SOURCES / file) for file in files]
    command = ["gcc", *FLAGS, *SANITIZE, f"-I{directory}", str(HERE / f"{name}.c"), *inputs, "-o", str(program)]
    subprocess.run(command, check=True)
    return program


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return tmp_path_factory.mktemp("c")


@pytest.fixture(scope="module")
def driver(built):
    return build(built, "driver", "read.c", "report.c", "resolve.c", "text.c")


@pytest.fixture
def ask(driver, tmp_path):
    """``ask([request, …], root=…)``: the answers; a request is a tuple of words."""

    def run(requests, root=tmp_path):
        text = "".join("\t".join(map(str, request)) + "\n" for request in requests)
        done = subprocess.run([str(driver), str(root)], check=False, input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        answers = done.stdout.splitlines()
        assert len(answers) == len(requests)
        return answers

    return run


@pytest.fixture
def hostile(tmp_path):
    """A root filesystem whose links try to lead out of it."""
    root = tmp_path / "outside" / "root"
    for directory in ("a/b/c", "etc"):
        (root / directory).mkdir(parents=True)
    (root / "a/file").touch()
    (root / "etc/passwd").touch()
    (tmp_path / "outside/secret").touch()
    links = {
        "absolute": "/etc", "up": "../../..", "a/relative": "b/c", "loop": "loop", "ping": "pong", "pong": "ping",
        "dangling": "nowhere", "a/out": "../../secret", "host": str(tmp_path / "outside"), "chain": "absolute",
        "a/b/back": "../../a/b", "tofile": "a/file", "slash": "/", "deep": "a//b/./c/",
        "a/b/c/far": "/../../etc/passwd", "empty-middle": "a/nowhere/b", "through-file": "a/file/x",
    }  # fmt: skip
    for number in range(45):
        links[f"hop{number}"] = f"hop{number + 1}"
    links["hop45"] = "etc"
    for name, target in links.items():
        (root / name).symlink_to(target)
    (root / ("n" * 255)).mkdir()
    return root


COMPONENTS = ("a", "b", "c", "etc", "passwd", "file", "absolute", "up", "relative", "loop", "ping", "dangling", "out",
              "host", "chain", "back", "tofile", "slash", "deep", "far", "empty-middle", "through-file", "hop0", "hop6",
              "hop5", "n" * 255, "n" * 256, ".", "..", "..", "..", "", "nothing", "secret", "root")  # fmt: skip
WAYS = (os.O_PATH, os.O_PATH | os.O_DIRECTORY, os.O_PATH | os.O_NOFOLLOW, os.O_RDONLY, os.O_RDONLY | os.O_NOFOLLOW)


def paths(count):
    chance = random.Random(0)  # noqa: S311
    yield from (
        "/",
        "",
        ".",
        "..",
        "/..",
        "a/",
        "a/file/",
        "a/file/.",
        "tofile/",
        "absolute/",
        "dangling/",
        "a//b///c//",
    )
    yield from (f"{one}/{other}" for one, other in itertools.product(COMPONENTS, repeat=2))
    for _ in range(count):
        yield "/" * chance.randrange(2) + "/".join(chance.choices(COMPONENTS, k=chance.randrange(1, 7)))


def test_the_walk_finds_what_the_kernel_finds(ask, hostile):
    """RESOLVE_IN_ROOT of openat2(2), and the walk for kernels that lack it: the same file, or the same errno."""
    asked = [(flags, path) for flags in WAYS for path in paths(400)]
    kernel = ask([("open", "kernel", *each) for each in asked], hostile)
    walk = ask([("open", "walking", *each) for each in asked], hostile)
    differences = [(each, k, w) for each, k, w in zip(asked, kernel, walk, strict=True) if k != w]
    assert differences == []
    assert sum(answer.startswith("inode") for answer in kernel) > 300


def test_nothing_leads_out(ask, hostile):
    outside = {path.stat().st_ino for path in (hostile.parent, hostile.parent / "secret", hostile.parent.parent)}
    answers = ask([("open", way, os.O_PATH, path) for way in ("walking", "kernel") for path in paths(400)], hostile)
    found = {int(answer.split()[1]) for answer in answers if answer.startswith("inode")}
    assert found
    assert not found & outside


@pytest.mark.parametrize("path", ["absolute/passwd", "a/relative", "chain", "tofile", "up"])
def test_a_plain_name_has_no_links(ask, hostile, path):
    assert ask([("open", "plain", os.O_PATH, path)], hostile) == [f"errno {errno.ELOOP}"]


def test_a_plain_name_is_found(ask, hostile):
    (answer,) = ask([("open", "plain", os.O_PATH, "/a/b/../file")], hostile)
    assert answer.split()[1] == str((hostile / "a/file").stat().st_ino)


def test_descriptors_are_closed_at_execve(ask, hostile):
    answers = ask([("open", way, os.O_PATH, "a/b") for way in ("walking", "kernel", "plain")], hostile)
    assert {answer.split()[3] for answer in answers} == {"1"}


@pytest.mark.parametrize(
    ("kind", "path", "made"),
    [
        ("directory", "/x/y/z", "x/y/z"),
        ("file", "/x/y/z", "x/y/z"),
        ("directory", "absolute/new", "etc/new"),
        ("file", "up/new", "new"),
        ("directory", "dangling", "nowhere"),
        ("directory", "dangling/below", "nowhere/below"),
        ("file", "a/out", "secret"),  # the link's target as the container sees it
        ("directory", "x/../y", "y"),
        ("directory", "host/new", None),
    ],
)
def test_what_is_missing_is_made_within_the_root(ask, hostile, kind, path, made):
    before = set(hostile.parent.rglob("*"))
    (answer,) = ask([("make", kind, path)], hostile)
    assert answer.startswith("inode")
    new = {each for each in set(hostile.parent.rglob("*")) - before if not each.is_symlink()}
    assert all(hostile in each.parents for each in new)
    if made:
        assert int(answer.split()[1]) == (hostile / made).lstat().st_ino
        assert (hostile / made).is_dir() is (kind == "directory")
        assert (hostile / made).stat().st_mode & 0o777 == 0o750 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    ("path", "number"), [("loop/x", errno.ELOOP), ("a/file/x", errno.ENOTDIR), ("n" * 256, errno.ENAMETOOLONG)]
)
def test_what_cannot_be_made(ask, hostile, path, number):
    assert ask([("make", "directory", path)], hostile) == [f"errno {number}"]


def test_what_is_there_is_taken_as_it_is(ask, hostile):
    (answer,) = ask([("make", "directory", "a/file")], hostile)
    assert int(answer.split()[1]) == (hostile / "a/file").stat().st_ino


PASSWD = """root:x:0:0:root:/root:/bin/sh
broken line
short:x:3:3
:::
seven:x:7:7:first:/home/first:/bin/sh
again:x:7:7:second:/home/second:/bin/sh
nohome:x:8:8:::/bin/sh
word:x:9x:9::/home/word:/bin/sh
negative:x:-1:0::/home/negative:
max:x:4294967294:0::/home/max
last:x:10:10::/home/last"""


@pytest.mark.parametrize(
    ("uid", "home"),
    [(0, "/root"), (3, "none"), (7, "/home/first"), (8, ""), (9, "none"), (10, "/home/last"), (11, "none"),
     (2**32 - 2, "/home/max"), (2**32 - 1, "none")],
)  # fmt: skip
def test_homes(ask, tmp_path, uid, home):
    (tmp_path / "passwd").write_text(PASSWD)
    assert ask([("home", uid, tmp_path / "passwd")]) == [home]


def test_homes_of_files_of_any_shape(ask, tmp_path):
    long = "/" + "h" * 5000
    shapes = [b"", b"\n" * 9000, b":" * 9000, b"a" * 9000, os.urandom(9000), b"u:x:7:7::/home\0hidden:/bin/sh\n"]
    shapes += [f"u:x:{'7' * 5000}:7::/h:\n".encode(), f"u:x:7:7::{long}:/bin/sh\n".encode()]
    requests = []
    for number, shape in enumerate(shapes):
        (tmp_path / str(number)).write_bytes(shape)
        requests.append(("home", 7, tmp_path / str(number)))
    answers = ask(requests)
    assert answers == ["none"] * 5 + ["/home", "none", "none"]  # what is too long for a path is none


@pytest.fixture
def programs(tmp_path):
    for directory in ("one", "two", "three/prog"):
        (tmp_path / directory).mkdir(parents=True)
    for name, mode in (("one/denied", 0o644), ("two/denied", 0o755), ("two/prog", 0o755), ("one/never", 0o600)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "directories", "answer"),
    [
        ("prog", "{0}/one:{0}/two", "{0}/two/prog"),
        ("denied", "{0}/one:{0}/two", "{0}/two/denied"),  # execvp(3): what may not be executed is passed over
        ("never", "{0}/one:{0}/two", "errno 13 exec never"),
        ("prog", "{0}/three:{0}/two", "{0}/two/prog"),  # a directory is no program
        ("absent", "{0}/one:{0}/two", "errno 2 exec absent"),
        ("prog", "", "errno 2 exec prog"),
        ("", "{0}/two", "errno 2 exec"),
        ("{0}/two/prog", "", "{0}/two/prog"),
        ("{0}/three/prog", "", "errno 13 exec {0}/three/prog"),
        ("{0}/one/never", "{0}/two", "errno 13 exec {0}/one/never"),
        ("prog", "{0}/two/", "{0}/two//prog"),
    ],
)
def test_programs(ask, programs, name, directories, answer):
    ((found),) = ask([("find", name.format(programs), directories.format(programs))])
    assert found == answer.format(programs)


def test_programs_too_long_for_a_path(ask, programs):
    long = "x" * 5000
    found = ask([("find", "prog", f"/{long}:{programs}/two"), ("find", f"/{long}", ""), ("find", long, "/bin")])
    assert found[0] == f"{programs}/two/prog"
    assert [answer.split()[:2] for answer in found[1:]] == [["errno", str(errno.ENAMETOOLONG)], ["errno", "2"]]


@pytest.mark.parametrize(
    ("digits", "answer"),
    [("0", "0 0"), ("4294967295", "4294967295 4294967295"), ("007", "7 7"), ("", "none"), ("-1", "none"),
     ("1x", "none"), (" 1", "none"), (str(10**18), f"{10**18} {10**18}"), (str(2**64), "none"), ("9" * 30, "none")],
)  # fmt: skip
def test_numbers(ask, digits, answer):
    assert ask([("number", digits)]) == [answer]


@pytest.mark.parametrize(
    ("size", "answer"),
    [(1, "3 2 "), (2, "3 3 a"), (4, "3 5 abc"), (5, "3 5 abcd"), (6, "3 5 abcde"), (99, "3 5 abcde")],
)
def test_text_is_cut_at_the_buffer_s_end(ask, size, answer):
    """text_copy and text_add return the length it would have had."""
    assert ask([("cut", size, "abc", "de")]) == [answer]


def sample_plan(change):
    """A step of every kind, with a value that exercises its readers."""
    values = {"n": 7, "s": "/some/where" + change, "l": ["one", "two" + change, ""], "b": b"\1\2\3\4" * 5}
    kinds = [kind for kind in KINDS.values() if kind.actor == INIT and kind.name not in ("barrier", "exec")]
    ops = [
        SetupOp(kind.name, "", **{name: values[type_] for name, type_ in kind.fields if type_ != "-"}) for kind in kinds
    ]
    last = SetupOp("exec", "", args=["sh", change], env=["A=b"])
    return encode(Plan([SetupOp("spawn", ""), *ops, SetupOp("created", ""), last], {}, False))


def test_plans_that_are_broken_are_not_read_beyond_their_end(built, tmp_path):
    own = ("barrier", "wait-start")  # which init.c has itself
    fields = {
        name: "".join(type_ for _, type_ in kind.fields if type_ != "-")
        for name, kind in KINDS.items()
        if kind.actor == INIT
    }
    (built / "fields.h").write_text(
        "".join(f'FIELDS({name.replace("-", "_")}, "{kinds}")\n' for name, kinds in fields.items() if name not in own)
    )
    program = build(built, "fuzz", "report.c", "text.c", "verify.c")
    for name, change in (("one", ""), ("two", "x" * 50)):
        (tmp_path / name).write_bytes(sample_plan(change))
    line = [str(program), "3000", str(tmp_path / "one"), str(tmp_path / "two")]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 of 2 plans read whole")
