"""The rules that keep the house in order: imports run downwards, the planner touches no OS, files stay small."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "ocipy"
C_SOURCES = PACKAGE.parent / "cffi_build"

# From the bottom up: a module may import those of its own floor and of the floors below.  A name with a dot at its
# end is a whole package.
FLOORS = (
    ("ocipy.errors", "ocipy.files", "ocipy.pointers", "ocipy", "ocipy.cgroups", "ocipy._build", "ocipy._shim"),
    ("ocipy.options", "ocipy.log", "ocipy.signals", "ocipy.capabilities", "ocipy.hints", "ocipy.sites", "ocipy.pack",
     "ocipy.system_log", "ocipy.owner", "ocipy.durations", "ocipy.interruption", "ocipy.exec_options"),
    ("ocipy.spec.", "ocipy.host", "ocipy.host_facts"),
    ("ocipy.cgroups.paths", "ocipy.cgroups.settings", "ocipy.cgroups.devices", "ocipy.cgroups.v1", "ocipy.cgroups.v2",
     "ocipy.cgroups.blockio", "ocipy.cgroups.systemd", "ocipy.cgroups.systemd_annotations",
     "ocipy.cgroups.systemd_devices", "ocipy.cgroups.systemd_unified", "ocipy.cgroups.stats_text",
     "ocipy.cgroups.stats_v1", "ocipy.cgroups.stats_v2", "ocipy.cgroups.stats_limits", "ocipy.usage_table",
     "ocipy.cgroups.changes"),
    ("ocipy.plan.",),
    ("ocipy.cgroups.delegation", "ocipy.cgroups.dbus", "ocipy.cgroups.fitness", "ocipy.cgroups.units",
     "ocipy.resctrl",
     "ocipy.cgroups.freezer", "ocipy.cgroups.signalling", "ocipy.cgroups.transaction",
     "ocipy.cgroups.manager", "ocipy.seccomp.", "ocipy.state", "ocipy.hooks", "ocipy.failures",
     "ocipy.console", "ocipy.raw_mode", "ocipy.terminal", "ocipy.handover", "ocipy.notify", "ocipy.root_directory",
     "ocipy.init_process", "ocipy.patience", "ocipy.mapped_trees", "ocipy.netlink", "ocipy.net_devices",
     "ocipy.cloning", "ocipy.exec_process", "ocipy.process", "ocipy.cgroups.below", "ocipy.state_document",
     "ocipy.init_program", "ocipy.id_map_helpers", "ocipy.runtime_steps", "ocipy.spawn", "ocipy.cgroups.stats",
     "ocipy.cgroups.stats_rdt", "ocipy.cgroups.oom"),
    ("ocipy.creation", "ocipy.execution", "ocipy.destruction", "ocipy.release", "ocipy.control", "ocipy.monitoring",
     "ocipy.updating", "ocipy.resctrl_update"),
    ("ocipy.container",),
    ("ocipy.foreground", "ocipy.bundle.", "ocipy.install.", "ocipy.features_document", "ocipy.usage", "ocipy.screen"),
    ("ocipy.commands.",),
    ("ocipy.cli", "ocipy.__main__"),
)  # fmt: skip

PURE = ("ocipy.plan.", "ocipy.cgroups.paths", "ocipy.cgroups.settings", "ocipy.cgroups.devices", "ocipy.cgroups.v1",
        "ocipy.cgroups.v2", "ocipy.cgroups.blockio", "ocipy.cgroups.systemd", "ocipy.cgroups.stats_text",
        "ocipy.cgroups.stats_v1", "ocipy.cgroups.stats_v2", "ocipy.cgroups.stats_limits",
        "ocipy.usage_table", "ocipy.cgroups.changes")  # fmt: skip
# What pure modules may import beside each other: no operating system, no file, no clock.
PURE_IMPORTS = ("_struct", "math", "typing", "collections.abc", "ocipy.")
OS_CALLS = {"open", "exec", "eval", "input", "print", "__import__"}

# One list or table each, which is read best in one piece.
LONG_FILES = {"spec/schema.py", "spec/types.py"}
LONG_FUNCTIONS = {"create._ops"}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        yield name, path, ast.parse(path.read_text())


MODULES = {name: (path, tree) for name, path, tree in modules()}


def floor(name):
    places = [
        level
        for level, names in enumerate(FLOORS)
        if any(name == each or (each.endswith(".") and f"{name}.".startswith(each)) for each in names)
    ]
    assert len(places) == 1, f"{name} has no place in FLOORS, or two"
    return places[0]


def imported(name):
    """Modules that one imports when it is run: not those for type checking, which cost and bind nothing."""
    for node in ast.walk(_without_type_checking(MODULES[name][1])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


def _without_type_checking(tree):
    class Drop(ast.NodeTransformer):
        def visit_If(self, node):
            return None if getattr(node.test, "id", "") == "TYPE_CHECKING" else self.generic_visit(node)

    return Drop().visit(ast.parse(ast.unparse(tree)))


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_downwards(name):
    own = floor(name)
    above = [each for each in imported(name) if each.startswith("ocipy") and floor(each) > own]
    assert above == []


@pytest.mark.parametrize("name", [name for name in MODULES if f"{name}.".startswith(PURE)])
def test_the_planner_touches_no_operating_system(name):
    others = [each for each in imported(name) if not each.startswith(PURE_IMPORTS) or each == "ocipy._shim"]
    called = {node.func.id for node in ast.walk(MODULES[name][1]) if isinstance(node, ast.Call) and _is_name(node.func)}
    assert (others, called & OS_CALLS) == ([], set())


def _is_name(node):
    return isinstance(node, ast.Name)


@pytest.mark.parametrize("path", [*(path for path, _ in MODULES.values()), *C_SOURCES.iterdir()], ids=lambda p: p.name)
def test_files_are_small(path):
    if path.suffix in (".py", ".c", ".h") and str(path.relative_to(path.parents[1])) not in LONG_FILES:
        assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("name", MODULES)
def test_functions_are_small(name):
    functions = [node for node in ast.walk(MODULES[name][1]) if isinstance(node, ast.FunctionDef)]
    long = [f"{name.rpartition('.')[2]}.{each.name}" for each in functions if each.end_lineno - each.lineno >= 60]
    assert set(long) <= LONG_FUNCTIONS
