"""``make_bundle``: a runnable bundle (config.json and root filesystem), made whole or not at all."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ocipy import host, log
from ocipy.bundle import values
from ocipy.bundle.archive import extract_archive
from ocipy.bundle.busybox import find_static_busybox, install_busybox
from ocipy.bundle.default_config import Config, default_config, write_config
from ocipy.bundle.hello import HELLO_BINARIES, HELLO_HOSTNAME, HELLO_SCRIPT
from ocipy.bundle.host_files import copy_from_host
from ocipy.bundle.replace import check_target, put_in_place, remove_tree
from ocipy.bundle.skeleton import make_directories, write_etc
from ocipy.bundle.users import id_maps, resolve_user
from ocipy.bundle.within import find_command
from ocipy.errors import OcipyError, SyscallError, UsageError

MARKER = "org.ocipy.bundle"
_FALLBACK_BINARIES = ("sh", "ls", "cat", "env")
_FALLBACK_OPTIONAL = ("ps",)  # not on every minimal host


@dataclass(frozen=True)
class Bundle:
    """A bundle that was made: its absolute ``path`` and what its root filesystem is, in words."""

    path: str
    contents: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a bundle is made of.

    The root filesystem, one of (none: busybox if the host has a static one, else a few host binaries):
    ``from_host``, names (looked up in PATH) or paths of the host's programs; ``busybox``; ``rootfs``, a
    directory (used in place) or a tar archive.

    The rest is what config.json says: ``args`` (default: a shell), ``hostname``, ``user`` (as ``--user``),
    ``env`` (``NAME=VALUE`` each), ``memory`` in bytes, ``cpus``, ``pids``, ``mounts`` (entries of the config's
    ``mounts``, see ``values.parse_mount``), ``read_only``, ``terminal``, ``rootless``, ``cwd``; ``hello`` runs
    a script that shows the container's surroundings.  Wrong values raise UsageError.
    """

    from_host: Sequence[str] = ()
    busybox: bool = False
    rootfs: str = ""
    args: Sequence[str] = ()
    hostname: str = ""
    user: str = ""
    env: Sequence[str] = ()
    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None
    mounts: Sequence[Config] = ()
    read_only: bool = False
    terminal: bool = False
    rootless: bool = False
    cwd: str = "/"
    hello: bool = False

    def __post_init__(self) -> None:
        if bool(self.from_host) + self.busybox + bool(self.rootfs) > 1:
            raise UsageError("only one of --from-host, --busybox and --rootfs can be the root filesystem")
        if self.hello and self.args:
            raise UsageError("--hello is a command of its own: it takes none after --")

    @property
    def effective_hostname(self) -> str:
        return values.check_hostname(self.hostname or (HELLO_HOSTNAME if self.hello else "ocipy"))


def make_bundle(directory: "str | os.PathLike[str]", *, force: bool = False, **recipe: Any) -> Bundle:
    """Make a bundle at ``directory``, of what ``recipe`` says: the fields of ``Recipe``, by name.

    ``directory`` must not exist, or be empty; with ``force`` a bundle made by this function is replaced.  The
    bundle is built beside it and renamed, so it is there whole or not at all, also after an interrupt.

    >>> make_bundle("web", from_host=["bash", "ls"], hostname="web", memory=64 << 20, args=["bash"])

    Raises UsageError for wrong values, other OcipyErrors for what the host lacks or refuses.
    """
    ingredients = Recipe(**recipe)
    target = os.path.abspath(os.fspath(directory))
    try:
        check_target(target, force, MARKER)
        # mkdtemp's 0700 stays while it is built: nobody else should reach into a half-made tree.
        workplace = tempfile.mkdtemp(prefix=f".{os.path.basename(target)}.", dir=os.path.dirname(target))
        try:
            contents = _build(workplace, ingredients)
            put_in_place(workplace, target, force, MARKER)
        except BaseException:
            remove_tree(workplace)
            raise
    except OSError as problem:
        if problem.errno is None:
            raise OcipyError(f"make bundle {target}: {problem}") from problem
        raise SyscallError("make bundle:", problem.errno, problem.filename or target) from problem
    return Bundle(target, contents)


def _build(bundle: str, recipe: Recipe) -> str:
    """Fill the directory; the value is what the root filesystem is, in words."""
    config = _config(recipe)
    rootfs, contents, mode = _root_filesystem(bundle, recipe)
    process = config["process"]
    if rootfs != os.path.join(bundle, "rootfs"):
        config["root"]["path"] = rootfs
    user = resolve_user(recipe.user, rootfs)
    process["user"] = user.config()
    if user.uid != 0:
        # As engines do: an unprivileged user keeps no capabilities, not even ambient ones.
        process["capabilities"] = {"bounding": process["capabilities"]["bounding"]}
    if recipe.rootless:
        config["linux"].update(id_maps(user))
    process["args"] = _args(recipe, rootfs, _variable(process["env"], "PATH"))
    write_config(os.path.join(bundle, "config.json"), config)
    os.chmod(bundle, mode)
    return contents


def _config(recipe: Recipe) -> Config:
    """The default config, changed as the recipe says; ids, args and a rootfs elsewhere come later."""
    config = default_config(recipe.rootless, host.probe().cgroup_mode == "unified")
    config["annotations"] = {MARKER: "1"}
    config["hostname"] = recipe.effective_hostname
    config["root"]["readonly"] = recipe.read_only
    config["mounts"] += recipe.mounts
    process = config["process"]
    process["terminal"] = recipe.terminal
    # They can't be raised without being inheritable as well, which the default has none of: a warning at every run.
    del process["capabilities"]["ambient"]
    process["cwd"] = values.check_cwd(recipe.cwd)
    environment = {variable.partition("=")[0]: variable for variable in process["env"]}
    environment.update((values.check_env(variable).partition("=")[0], variable) for variable in recipe.env)
    process["env"] = list(environment.values())
    limits = _limits(recipe)
    if limits:
        config["linux"].setdefault("resources", {}).update(limits)
    return config


def _limits(recipe: Recipe) -> Config:
    limits: Config = {}
    if recipe.memory is not None:
        limits["memory"] = {"limit": values.check_memory(recipe.memory)}
    if recipe.cpus is not None:
        limits["cpu"] = {"quota": values.cpu_quota(recipe.cpus), "period": values.CPU_PERIOD}
    if recipe.pids is not None:
        limits["pids"] = {"limit": values.check_pids(recipe.pids)}
    return limits


def _root_filesystem(bundle: str, recipe: Recipe) -> tuple[str, str, int]:
    """Its path, what it is in words, and the mode of the bundle's directory."""
    if recipe.rootfs and os.path.isdir(recipe.rootfs):
        rootfs = os.path.realpath(recipe.rootfs)
        if rootfs == "/":
            raise UsageError("--rootfs /: the container would write to the host's own root filesystem")
        return rootfs, f"root filesystem {rootfs}, used in place", 0o755
    rootfs = os.path.join(bundle, "rootfs")
    os.mkdir(rootfs)
    os.chmod(rootfs, 0o755)
    if recipe.rootfs:
        count = extract_archive(recipe.rootfs, rootfs)
        make_directories(rootfs)
        # The archive may hold setuid programs, which other users of the host must not reach.
        mode = 0o700 if os.geteuid() == 0 else 0o755
        return rootfs, f"{count} files of {os.path.basename(recipe.rootfs)}", mode
    if not recipe.from_host and (recipe.busybox or find_static_busybox()):
        contents = f"busybox, {install_busybox(rootfs)} applets"
    else:
        wanted = () if recipe.from_host else _FALLBACK_OPTIONAL
        optional = [*wanted, *(HELLO_BINARIES if recipe.hello else ())]
        contents = copy_from_host(rootfs, recipe.from_host or _FALLBACK_BINARIES, optional)
    make_directories(rootfs)
    write_etc(rootfs, recipe.effective_hostname, recipe.user)
    return rootfs, contents, 0o755


def _args(recipe: Recipe, rootfs: str, search_path: str) -> list[str]:
    if recipe.hello:
        return ["sh", "-c", HELLO_SCRIPT]
    if not recipe.args and find_command(rootfs, "sh", search_path) is None and recipe.from_host:
        return [os.path.basename(recipe.from_host[0])]
    args = list(recipe.args) or ["sh"]
    if find_command(rootfs, args[0], search_path, recipe.cwd) is None:
        # Only a warning: a mount may bring it.
        log.warning(f"{args[0]} is not in the root filesystem")
    return args


def _variable(environment: list[str], name: str) -> str:
    return next((entry.partition("=")[2] for entry in environment if entry.startswith(f"{name}=")), "")
