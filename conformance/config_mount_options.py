"""config.md: Linux mount options: a case for each of the table's names."""

from typing import TYPE_CHECKING, NamedTuple

from conformance.config_mounts import add, mounted, source
from conformance.harness import Runtime, case, check, hook

if TYPE_CHECKING:
    from conformance.cases import Function

SECTION = "config.md#linux-mount-options"
SINCE = "1.1.0"  # of the table


class Seen(NamedTuple):
    """A line of /proc/self/mountinfo, proc(5)."""

    point: str
    flags: set[str]  # of the mount
    propagation: dict[str, str]  # shared, master, unbindable
    data: set[str]  # of the filesystem


def mounts_seen(runtime: Runtime, below: str) -> list[Seen]:
    """The container's mounts at ``below`` and under it, as its process sees them."""
    found = []
    for line in runtime.prints("cat /proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        _, _, _, _, point, flags, *tags = before.split()
        if f"{point}/".startswith(f"{below}/"):
            propagation = dict(tag.partition(":")[::2] for tag in tags)
            found.append(Seen(point, set(flags.split(",")), propagation, set(after.split()[-1].split(","))))
    check(found, f"there is no mount at {below}")
    return found


def register(option: str, level: str, says: str, run: "Function") -> None:
    run.__name__ = f"option_{option}"
    case(SECTION, level, f"{option}: {says}", "mounts[].options", since=SINCE)(run)


Rule = tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]

# Option, what is given before it, what mountinfo then has and hasn't among the mount's flags.
FLAGS: tuple[Rule, ...] = (
    ("atime", ("noatime",), (), ("noatime",)),
    ("dev", ("nodev",), (), ("nodev",)),
    ("diratime", ("nodiratime",), (), ("nodiratime",)),
    ("exec", ("noexec",), (), ("noexec",)),
    ("noatime", (), ("noatime",), ()),
    ("nodev", (), ("nodev",), ()),
    ("nodiratime", (), ("nodiratime",), ()),
    ("noexec", (), ("noexec",), ()),
    ("norelatime", (), ("relatime",), ("noatime",)),
    ("nostrictatime", ("strictatime",), ("relatime",), ()),
    ("nosuid", (), ("nosuid",), ()),
    ("relatime", (), ("relatime",), ("noatime",)),
    ("ro", (), ("ro",), ("rw",)),
    ("rw", ("ro",), ("rw",), ("ro",)),
    ("strictatime", (), (), ("relatime", "noatime")),
    ("suid", ("nosuid",), (), ("nosuid",)),
)
SYMFOLLOW: tuple[Rule, ...] = (
    ("nosymfollow", (), ("nosymfollow",), ()),
    ("symfollow", ("nosymfollow",), (), ("nosymfollow",)),
)


def flag_case(level: str, rule: Rule) -> None:
    option, before, has, lacks = rule

    def run(runtime: Runtime) -> None:
        add(runtime, "/fresh", *before, option)
        add(runtime, "/bound", "bind", *before, option, type="none", source=str(source(runtime)))
        for point in ("/fresh", "/bound"):
            flags = mounts_seen(runtime, point)[0].flags
            check(flags.issuperset(has), f"{point} has {sorted(flags)}")
            check(flags.isdisjoint(lacks), f"{point} has {sorted(flags)}")

    says = "the mount has it" if has else "it undoes its opposite"
    register(option, level, says, run)


for flag in FLAGS:
    flag_case("MUST", flag)
for flag in SYMFOLLOW:
    flag_case("SHOULD", flag)


# Of the filesystem as a whole: what mountinfo has and hasn't among the filesystem's options.
WHOLE: tuple[Rule, ...] = (
    ("async", ("sync",), (), ("sync",)),
    ("sync", (), ("sync",), ()),
    ("dirsync", (), ("dirsync",), ()),
    ("lazytime", (), ("lazytime",), ()),
    ("nolazytime", ("lazytime",), (), ("lazytime",)),
    # The kernel shows none of these; they aren't the filesystem's own, which would refuse them.
    ("defaults", ("size=1m",), ("size=1024k", "rw"), ("ro",)),
    ("iversion", (), ("rw",), ()),
    ("noiversion", ("iversion",), ("rw",), ()),
    ("loud", (), ("rw",), ()),
    ("silent", (), ("rw",), ()),
)


def whole_case(option: str, before: tuple[str, ...], has: tuple[str, ...], lacks: tuple[str, ...]) -> None:
    def run(runtime: Runtime) -> None:
        add(runtime, "/fresh", *before, option)
        data = mounts_seen(runtime, "/fresh")[0].data
        check(data.issuperset(has), f"the filesystem has {sorted(data)}")
        check(data.isdisjoint(lacks), f"the filesystem has {sorted(data)}")

    register(option, "MUST", "it is the filesystem's, or taken and of no effect that shows", run)


for whole in WHOLE:
    whole_case(*whole)


@case(SECTION, "MUST", "bind: it is a bind mount, without what is mounted below", "mounts[].options")
def option_bind(runtime: Runtime) -> None:
    check(bound(runtime, "bind") == "data\nabsent\n", "it is another")


@case(SECTION, "MUST", "rbind: it is a bind mount, with what is mounted below", "mounts[].options")
def option_rbind(runtime: Runtime) -> None:
    check(bound(runtime, "rbind") == "data\nthere\n", "it is another")


def bound(runtime: Runtime, *options: str) -> str:
    directory = source(runtime)
    (directory / "below").mkdir()
    add(runtime, "/bound", *options, type="none", source=str(directory))
    with mounted(directory / "below"):
        (directory / "below/file").touch()
        return runtime.prints("cat /bound/file; test -e /bound/below/file && echo there || echo absent")


@case(SECTION, "MUST", "remount: an earlier mount gets other options", "mounts[].options")
def option_remount(runtime: Runtime) -> None:
    add(runtime, "/fresh", "size=1m")
    add(runtime, "/fresh", "remount", "ro", "nosuid")
    found = mounts_seen(runtime, "/fresh")
    check(len(found) == 1, f"there are {len(found)} mounts")
    check(found[0].flags >= {"ro", "nosuid"}, f"it has {sorted(found[0].flags)}")


# Option, and what a mount and the one below it have of the propagation: that of their shared source is "master".
PROPAGATION: tuple[tuple[str, set[str], set[str] | None], ...] = (
    ("shared", {"shared"}, set()),
    ("rshared", {"shared"}, {"shared"}),
    ("slave", {"master"}, set()),
    ("rslave", {"master"}, {"master"}),
    ("unbindable", {"unbindable"}, set()),
    ("runbindable", {"unbindable"}, {"unbindable"}),
    ("private", set(), None),
    ("rprivate", set(), set()),
)


def propagation_case(option: str, top: set[str], below: set[str] | None) -> None:
    def run(runtime: Runtime) -> None:
        directory = runtime.directory / "data"
        directory.mkdir()
        with mounted(directory, shared=True), mounted(directory / "below", shared=True):
            add(runtime, "/bound", "rbind", option, type="none", source=str(directory))
            found = mounts_seen(runtime, "/bound")
        check([each.point for each in found] == ["/bound", "/bound/below"], f"the mounts are {found}")
        first, second = (set(each.propagation) for each in found)
        check(first >= top, f"it is {sorted(first) or 'private'}")
        if option.endswith("private"):
            check(not first, f"it is {sorted(first)}")
        if option.endswith(("slave", "unbindable")):
            check("shared" not in first, f"it is {sorted(first)}")
        if below is not None:
            check(second >= below, f"the mount below is {sorted(second) or 'private'}")
        if option == "rprivate":
            check(not second, f"the mount below is {sorted(second)}")

    register(option, "MUST", "the mount's propagation is that, with an r that of those below as well", run)


for propagation in PROPAGATION:
    propagation_case(*propagation)


# Recursive attributes: what the source's mounts have, and what the mounts made of them have and haven't.
RECURSIVE = (
    ("rro", "rw", "ro", "rw"),
    ("rrw", "ro", "rw", "ro"),
    ("rnosuid", "suid", "nosuid", ""),
    ("rsuid", "nosuid", "", "nosuid"),
    ("rnodev", "dev", "nodev", ""),
    ("rdev", "nodev", "", "nodev"),
    ("rnoexec", "exec", "noexec", ""),
    ("rexec", "noexec", "", "noexec"),
    ("rnodiratime", "diratime", "nodiratime", ""),
    ("rdiratime", "nodiratime", "", "nodiratime"),
    ("rnoatime", "relatime", "noatime", ""),
    ("ratime", "noatime", "", "noatime"),
    ("rrelatime", "noatime", "relatime", "noatime"),
    ("rnorelatime", "relatime", "", "noatime"),
    ("rstrictatime", "relatime", "", "relatime"),
    ("rnostrictatime", "strictatime", "relatime", ""),
    ("rnosymfollow", "symfollow", "nosymfollow", ""),
    ("rsymfollow", "nosymfollow", "", "nosymfollow"),
)


def recursive_case(option: str, before: str, has: str, lacks: str) -> None:
    def run(runtime: Runtime) -> None:
        directory = runtime.directory / "data"
        directory.mkdir()
        with mounted(directory, before), mounted(directory / "below", before):
            add(runtime, "/bound", "rbind", option, type="none", source=str(directory))
            found = mounts_seen(runtime, "/bound")
        check(len(found) == 2, f"the mounts are {[each.point for each in found]}")
        for each in found:
            check(not has or has in each.flags, f"{each.point} has {sorted(each.flags)}")
            check(not lacks or lacks not in each.flags, f"{each.point} has {sorted(each.flags)}")

    register(option, "SHOULD", "the mount and those below have it", run)


for recursive in RECURSIVE:
    recursive_case(*recursive)


@case(
    SECTION,
    "SHOULD",
    "an option that isn't in the table goes to the filesystem",
    "mounts[].options",
)
def option_unknown(runtime: Runtime) -> None:
    add(runtime, "/fresh", "size=2m", "nr_inodes=77", "mode=701")
    data = mounts_seen(runtime, "/fresh")[0].data
    check(data >= {"size=2048k", "nr_inodes=77", "mode=701"}, f"the filesystem has {sorted(data)}")


@case(
    SECTION,
    "MUST",
    "an option that the filesystem doesn't know either is an error",
    "mounts[].options",
)
def option_nobody_knows(runtime: Runtime) -> None:
    (runtime.rootfs / "fresh").mkdir()
    add(runtime, "/fresh", "no-such-option")
    runtime.config["hooks"] = {"poststop": [hook("true")]}
    runtime.refused()
