"""``ocipy install``: register the command with container engines."""

import sys

from ocipy.errors import OcipyError, UsageError
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from ocipy.cli import Settings
    from ocipy.install.changes import Outcome
    from ocipy.install.engine import Engine, Request
    from ocipy.install.places import Places

SUMMARY = "register the command with podman, docker, containerd, CRI-O, Kubernetes"
USAGE = "ocipy install [options]"
# Those that say where, for uninstall as well.
SCOPE_OPTIONS = (
    Option("system", "for the whole machine (default for root)"),
    Option("user", "for the calling user (default for all others)"),
    Option("destdir", "put DIR before every path, as a packager does; nothing is loaded", "text", "DIR"),
    Option("dry-run", "show what would change as a unified diff, and change nothing", short="n"),
)
OPTIONS = (
    Option("podman", "a drop-in for containers.conf, which buildah reads too"),
    Option("docker", "an entry in daemon.json"),
    Option("containerd", "a runtime of the CRI plugin in config.toml"),
    Option("crio", "a drop-in for crio.conf"),
    Option("apparmor", "a profile that lets ordinary users' containers make user namespaces (Ubuntu 24.04)"),
    Option("runtimeclass", "write a Kubernetes RuntimeClass to FILE, or print it (-)", "text", "FILE"),
    Option("default", "make it the engines' default runtime"),
    Option("name", "the runtime's name (default: ocipy)", "text", "NAME"),
    Option("command", "the command that engines are to call (default: this one)", "text", "PATH"),
    *SCOPE_OPTIONS,
)


def run(parsed: Parsed, settings: "Settings") -> int:
    from ocipy.install.changes import carry_out
    from ocipy.install.planning import plan_install
    from ocipy.install.runtimeclass import manifest

    expect(parsed.arguments, 0, 0, USAGE)
    places = places_of(parsed)
    request = _request(parsed, settings, places)
    engines = _engines(parsed, places)
    outcome = plan_install(request, engines)
    stream = sys.stdout
    if parsed.text("runtimeclass") == "-":
        print(manifest(request.name), end="")
        stream = sys.stderr  # the manifest is alone on stdout
    if parsed.flag("dry-run"):
        show_diff(outcome, stream)
        return 0
    carry_out(outcome, places, installing=True)
    report(outcome, places, "changed", stream)
    usages = [change.engine.usage(request.name) for change in outcome.changes]
    for usage in dict.fromkeys(filter(None, usages)):
        print(f"use: {usage}", file=stream)
    return 0


def places_of(parsed: Parsed) -> "Places":
    """The scope that the options say.  Raises UsageError."""
    import os

    from ocipy.install.places import Places

    system, user = parsed.flag("system"), parsed.flag("user")
    if system and user:
        raise UsageError("--system and --user exclude each other")
    places = Places(system or (not user and os.geteuid() == 0), parsed.text("destdir"))
    if places.system and os.geteuid() != 0 and not (places.destdir or parsed.flag("dry-run")):
        raise OcipyError("--system changes the machine's configuration: it needs root (or --user, or --dry-run)")
    return places


def _request(parsed: Parsed, settings: "Settings", places: "Places") -> "Request":
    import os
    import re

    import ocipy
    from ocipy.install import own_command
    from ocipy.install.engine import Request

    name = parsed.text("name") or "ocipy"
    # A bare key of TOML, a file's name, and no other runtime's.
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", name) or name in ("runc", "crun"):
        raise UsageError(f"--name {name}: a name of its own, of letters, digits, '-' and '_'")
    given = parsed.text("command")
    command = given or own_command.find(os.path.dirname(ocipy.__file__))
    own_command.check(command, here=not (given and places.destdir))
    return Request(name, command, places, parsed.flag("default"), settings.systemd_cgroup)


def _engines(parsed: Parsed, places: "Places") -> "list[Engine]":
    """Those asked for; if none is, those found."""
    from ocipy.install.engines import ENGINES
    from ocipy.install.runtimeclass import RuntimeClass

    file = parsed.text("runtimeclass")
    flags = [name for name in ENGINES if name != "runtimeclass" and parsed.flag(name)]
    for name in flags:
        if not (places.system or ENGINES[name].has_users):
            raise UsageError(f"--{name}: no user has one of their own (use --system)")
    chosen = [ENGINES[name] for name in flags]
    if not (flags or file):
        chosen = [engine for name, engine in ENGINES.items() if name != "apparmor" and engine.found(places)]
        if not chosen:
            raise OcipyError("no engine found: neither podman, docker, containerd nor CRI-O (name one: --podman, …)")
    restricts = ENGINES["apparmor"]
    if chosen and restricts not in chosen and restricts.found(places):
        if places.system:
            chosen.append(restricts)
        else:
            hint = "sudo ocipy install --apparmor"
            print(
                f"AppArmor restricts user namespaces here, which ordinary users' containers need: {hint}",
                file=sys.stderr,
            )
    if file and file != "-":
        chosen.append(RuntimeClass(file))
    return chosen


def show_diff(outcome: "Outcome", stream: "TextIO") -> None:
    for change in outcome.changes:
        stream.writelines(change.diff())
    _say(outcome.notes)


def report(outcome: "Outcome", places: "Places", verb: str, stream: "TextIO") -> None:
    """What was done, and what is to be done yet; ``verb`` says what was to a file that was there and still is."""
    for change in outcome.changes:
        what = "made" if change.before is None else "removed" if change.after is None else verb
        print(f"{change.engine.name}: {what} {change.path}", file=stream)
    for path in outcome.unchanged:
        print(f"unchanged: {path}", file=stream)
    _say(outcome.notes)
    for command in [change.engine.reload(places) for change in outcome.changes]:
        if command and not places.destdir:
            print(f"now: {command}", file=stream)


def _say(notes: "list[str]") -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
