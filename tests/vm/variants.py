"""The machines that are booted, and what runs in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.vm.machine import Step

RUNTIMES = {"ocipy": "$PWD/build/bin/ocipy", "runc": "/usr/sbin/runc", "crun": "/usr/bin/crun"}

# Needs that only a machine of our own meets for sure: its tests are what the bed is for.
NEEDS = ("cgroup_v2", "capability", "lsm", "systemd", "numa", "loop")
ANY_NEED = " or ".join(NEEDS)
# Where the version of cgroups, or the kernel's age, makes a difference to tests that ask for neither.
DIFFERENT = tuple(
    f"tests/system/test_{name}.py"
    for name in (
        "cgroup_mounts",
        "cgroup_owner",
        "devices",
        "events",
        "exec",
        "exec_faults",
        "exec_process",
        "exec_security",
        "foreground",
        "idmapped_mounts",
        "leftovers",
        "lifecycle",
        "limits_in_force",
        "mounts",
        "nested",
        "pause",
        "plan_command",
        "process_scheduling",
        "ps",
        "state_dir",
        "update",
        "top",
        "user_namespace",
    )
)


BARE = "process_1=/usr/lib/vm/init security=apparmor apparmor=1"


@dataclass(frozen=True)
class Variant:
    """A machine: how it is booted and what it runs.  ``tests``: step → pytest's arguments; ``seconds``: the limit for
    all of it, boot included, and with one runtime; ``conformance``: the suite's arguments, None to leave it out;
    ``unasked``: booted when no machine is named."""

    name: str
    parameters: str
    tests: Mapping[str, Sequence[str]]
    seconds: int
    conformance: Sequence[str] | None = None
    unasked: bool = True


# The longest first, for they run two at a time.
VARIANTS = (
    Variant(
        "bare",
        BARE,
        {"tests-marked": ("-m", ANY_NEED, "tests/system"), "tests-different": ("-m", f"not ({ANY_NEED})", *DIFFERENT)},
        1800,
        conformance=("--skipped-at", "host"),
    ),
    Variant(
        "systemd",
        "process_1=/lib/systemd/systemd systemd.unit=job.service security=apparmor apparmor=1",
        {"tests-marked": ("-m", "systemd or cgroup_v2 or rootless", "tests/system")},
        1200,
        conformance=("lifecycle",),
    ),
    Variant(
        "selinux",
        "process_1=/usr/lib/vm/init security=selinux selinux=1 enforcing=0",
        {"tests-marked": ("-m", "lsm", "tests/system")},
        600,
        conformance=("label",),
    ),
    # All cases, for the published results: three times as long as the rest.
    Variant("conformance", BARE, {}, 2700, conformance=(), unasked=False),
)


def steps(variant: Variant, python: str, tests: Sequence[str], runtimes: Sequence[str]) -> list[Step]:
    """What a variant runs: its tests (or those given), then the conformance suite against each of ``runtimes``."""
    made = []
    for name, chosen in {"tests": tests}.items() if tests else variant.tests.items():
        options = f"-q --color=no -p no:cacheprovider --junitxml=$RESULTS/{name}.xml"
        words = " ".join(f"'{word}'" for word in chosen)
        made.append(Step(name, variant.seconds, f"{python} -m pytest {options} {words}"))
    if variant.conformance is not None:
        for name in runtimes:
            options = f"--place vm --json $RESULTS/conformance-{name}.json"
            command = f"RUNTIME={RUNTIMES[name]} {python} -m conformance {options} {' '.join(variant.conformance)}"
            made.append(Step(f"conformance-{name}", variant.seconds, command))
    return made
