"""containerd: a runtime of the CRI plugin, in config.toml (containerd-config.toml(5)).

The entry is a block at the end of the file, rather than a file of its own that is imported: before containerd 2 an
imported file's table of a plugin takes the place of the whole table that config.toml has for it.  For the same reason
the block goes into the last imported file that speaks of the plugin, if one does.
"""

import contextlib
import glob
import os

from ocipy.errors import OcipyError
from ocipy.install import toml_text, writing
from ocipy.install.engine import Added, ChangedError, Engine, Request, quoted
from ocipy.install.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.install.engine import Undo

# By the version of the file's layout.
_PLUGINS = {1: "cri", 2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime",
            4: "io.containerd.cri.v1.runtime"}  # fmt: skip
_SHIM = "io.containerd.runc.v2"


class Containerd(Engine):
    name = "containerd"
    directory = "containerd"
    programs = ("containerd",)
    user_programs = ("containerd-rootless.sh",)

    def path(self, request: Request) -> str:
        main, documents, plugin = _read(request.places)
        speaking = [path for path, document in documents.items() if toml_text.lookup(document, plugin)]
        return speaking[-1] if speaking else main

    def add(self, text: "str | None", request: Request, path: str, earlier: "Undo | None") -> Added:
        main, documents, plugin = _read(request.places)
        found = text = text or ""
        if earlier:
            with contextlib.suppress(ChangedError):  # somebody else's then, which is an error below
                text = self.take_out(text, request.name, earlier)
        document = toml_text.parse(text, path)
        table = (*plugin, "containerd")
        runtimes = toml_text.lookup(document, (*table, "runtimes"))
        runtimes = runtimes if isinstance(runtimes, dict) else {}
        if request.name in runtimes:
            raise OcipyError(
                f"{path}: the runtime {request.name} is there already (choose another --name, or remove it)"
            )
        if not text.strip():
            text = _beginning(main, request.places) if os.path.realpath(main) == path else ""
        added, undo = _insert(text, table, request, runtimes)
        wanted = toml_text.merged(toml_text.parse(text, path), _entry(table, request, runtimes))
        try:
            proven = toml_text.parse(added, path) == wanted
        except OcipyError:
            proven = False
        if not proven:
            where = toml_text.header(table)
            raise OcipyError(f"{path}: {where} is written in a way that can't be added to (write tables with headers)")
        if earlier and (earlier["block"].strip(), earlier["replaced"]) == (undo["block"].strip(), undo["replaced"]):
            added, undo = found, earlier  # wherever in the file it is now
        return Added(added, undo, _notes(documents, plugin))

    def take_out(self, text: str, name: str, undo: "Undo") -> str:
        for line, former in undo["replaced"]:
            if text.count(line) == 1:
                text = text.replace(line, former)
        if text.count(undo["block"]) == 1:
            return text.replace(undo["block"], "")
        document = toml_text.parse(text, "")
        if any(
            toml_text.lookup(document, ("plugins", each, "containerd", "runtimes", name)) for each in _PLUGINS.values()
        ):
            raise ChangedError(f"the runtime {name} isn't what ocipy install wrote there")
        return text

    def is_empty(self, text: str) -> bool:
        return all(line.startswith(("version = 2", "imports = ")) for line in text.splitlines())

    def reload(self, places: Places) -> str:
        return f"systemctl {'' if places.system else '--user '}restart containerd"

    def usage(self, name: str) -> str:
        return f"a RuntimeClass with the handler {name}"


def _read(places: Places) -> "tuple[str, dict[str, dict[str, Any]], tuple[str, ...]]":
    """config.toml's path; it and what it imports, in the order in which they take effect; the plugin's keys."""
    main = places.etc("containerd/config.toml")
    documents: dict[str, dict[str, Any]] = {}
    pending = [main]
    while pending:
        path = pending.pop(0)
        text = None if path in documents else writing.read(path)
        if text is None:
            continue
        documents[path] = toml_text.parse(text, path)
        imports = documents[path].get("imports", [])
        for pattern in imports if isinstance(imports, list) else []:
            below = places.destdir if str(pattern).startswith("/") else f"{os.path.dirname(path)}/"
            pending += sorted(glob.glob(f"{below}{pattern}"))
    return main, documents, _plugin(documents, main)


def _plugin(documents: "dict[str, dict[str, Any]]", main: str) -> "tuple[str, ...]":
    """The keys of the plugin's table, by the version that config.toml says (a missing or empty file gets 2)."""
    document = documents.get(main)
    version = document.get("version", 1) if document else 2
    if not isinstance(version, int) or version not in _PLUGINS:
        raise OcipyError(f"{main}: version = {version} is none of {', '.join(map(str, _PLUGINS))}")
    return ("plugins", _PLUGINS[version])


def _beginning(main: str, places: Places) -> str:
    """The beginning of a new config.toml: containerd 2 reads version 2 too, and imports conf.d by default."""
    directory = f"{os.path.dirname(main)}/conf.d"
    imports = f"{directory.removeprefix(places.destdir)}/*.toml"
    drop_ins = glob.glob(f"{glob.escape(directory)}/*.toml")
    return "version = 2\n" + (f"imports = [{quoted(imports)}]\n" if drop_ins else "")


def _entry(table: "tuple[str, ...]", request: Request, runtimes: "dict[str, Any]") -> "dict[str, Any]":
    """What the file is to say more than it does."""
    options: dict[str, Any] = {"BinaryName": request.command}
    former = toml_text.lookup(runtimes, ("runc", "options", "SystemdCgroup"))
    if request.systemd_cgroup or former is True:
        options["SystemdCgroup"] = True
    members: dict[str, Any] = {request.name: {"runtime_type": _SHIM, "options": options}}
    if "runc" not in runtimes:
        # A table of runtimes takes the place of containerd's own, which has runc, the default.
        members["runc"] = {"runtime_type": _SHIM}
    document: dict[str, Any] = {"runtimes": members}
    if request.default:
        document["default_runtime_name"] = request.name
    for key in reversed(table):
        document = {key: document}
    return document


def _insert(text: str, table: "tuple[str, ...]", request: Request, runtimes: "dict[str, Any]") -> "tuple[str, Undo]":
    entry = toml_text.lookup(_entry(table, request, runtimes), table)
    lines = ["# Made by ocipy install; ocipy uninstall removes it."]
    replaced = []
    if request.default:
        line = f"default_runtime_name = {quoted(request.name)}\n"
        offset = toml_text.header_line(text, table)
        if offset is None:
            lines += [toml_text.header(table), line.rstrip()]
        else:
            old = toml_text.value_line(text, offset, "default_runtime_name")
            start, end = old or (offset, offset)
            marked = ("" if text[:start].endswith("\n") else "\n") + f"{line.rstrip()} # ocipy install\n"
            replaced.append([marked, text[start:end]])
            text = text[:start] + marked + text[end:]
    for name, runtime in sorted(entry["runtimes"].items()):
        lines += [toml_text.header((*table, "runtimes", name)), f"runtime_type = {quoted(runtime['runtime_type'])}"]
        if "options" in runtime:
            lines.append(toml_text.header((*table, "runtimes", name, "options")))
            lines += [
                f"{key} = {'true' if value is True else quoted(value)}" for key, value in runtime["options"].items()
            ]
    added, block = toml_text.append(text, "\n".join(lines) + "\n")
    return added, {"block": block, "replaced": replaced}


def _notes(documents: "dict[str, dict[str, Any]]", plugin: "tuple[str, ...]") -> "list[str]":
    for path, document in documents.items():
        listed = document.get("disabled_plugins", [])
        for disabled in listed if isinstance(listed, list) else []:
            if disabled in ("cri", f"io.containerd.{plugin[1]}", plugin[1]):
                return [f"{path} disables {disabled}, which the entry is for; ctr needs none: --runc-binary"]
    return []
