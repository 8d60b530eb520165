"""``ocipy plan``: print what create and start, or exec, would do, step by step.

Nothing is changed, no root is needed.
"""

from ocipy.errors import UsageError
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.cli import Settings
    from ocipy.host import HostInfo
    from ocipy.plan.ops import Plan
    from ocipy.plan.options import CreateOptions

SUMMARY = "print the steps that create and start, or exec, would do, in order"
USAGE = "ocipy plan [options] [ID]"
OPTIONS = (
    Option("bundle", "the bundle's directory (default: the current one)", "text", "DIR", short="b"),
    Option("format", "text or json (default: text)", "text", "FORMAT", short="f"),
    Option("exec", "of the same process, as exec would run it in such a container"),
    Option("process", "as for exec, of which the steps are printed then", "text", "FILE", short="p"),
    Option("no-pivot", "as for create"),
    Option("no-new-keyring", "as for create"),
    Option("preserve-fds", "as for create", "int", "N"),
)


def run(parsed: Parsed, settings: "Settings") -> int:
    from ocipy.creation import prepare
    from ocipy.files import absolute
    from ocipy.plan import describe
    from ocipy.plan.options import CreateOptions
    from ocipy.spec.jsontext import dumps_pretty
    from ocipy.state import check_id

    expect(parsed.arguments, 0, 1, USAGE)
    form = parsed.text("format") or "text"
    if form not in ("text", "json"):
        raise UsageError(f"--format is text or json, not {form!r}")
    container_id = parsed.arguments[0] if parsed.arguments else "ID"
    check_id(container_id)
    options = CreateOptions(
        container_id,
        absolute(parsed.text("bundle") or "."),
        no_pivot=parsed.flag("no-pivot"),
        no_new_keyring=parsed.flag("no-new-keyring"),
        preserve_fds=parsed.integer("preserve-fds") or 0,
        systemd_cgroup=settings.systemd_cgroup,
        rootless=settings.rootless,
    )
    config, host, plan = prepare(options, for_show=True)
    if parsed.flag("exec") or parsed.text("process"):
        plan = _of_exec(config, host, plan, options, parsed.text("process"))
    print("\n".join(describe.lines(plan)) if form == "text" else dumps_pretty(describe.documents(plan)))
    return 0


def _of_exec(
    config: "dict[str, Any]", host: "HostInfo", created: "Plan", options: "CreateOptions", file: str
) -> "Plan":
    """The plan of exec, for a container that isn't there yet: its init is called PID."""
    from ocipy import host_facts
    from ocipy.exec_options import ExecOptions
    from ocipy.exec_process import choose
    from ocipy.plan.exec import exec_
    from ocipy.plan.namespaces import LINKS
    from ocipy.plan.options import Running

    own = config.get("process", {"args": [], "terminal": False})
    process = choose(ExecOptions(own["args"], process=file, tty=own["terminal"]), config)
    kinds = {entry["type"] for entry in config["linux"]["namespaces"]}
    namespaces = {kind: f"/proc/PID/ns/{link}" for kind, link in LINKS.items() if kind in kinds}
    path = config["root"]["path"]
    root = "" if "mount" in kinds else path if path.startswith("/") else f"{options.bundle}/{path}"
    running = Running(options.container_id, namespaces, created.cgroup_paths, root, options.no_new_keyring)
    host_facts.look(host, config)
    return exec_(config, process, host, running, options.seccomp, (0, options.preserve_fds))
