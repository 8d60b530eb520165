"""podman and buildah: a drop-in for containers.conf (containers.conf(5))."""

import glob
import os

from ocipy.install import toml_text, writing
from ocipy.install.engine import OwnFile, Request, quoted
from ocipy.install.places import Places

# What podman's releases have built in: a list in a file replaces it, and podman before 5 can't append to it.
SUPPORT_JSON = ("crun", "runc", "kata", "runsc", "youki", "krun", "crun-wasm")


class Podman(OwnFile):
    name = "podman"
    directory = "containers"
    programs = user_programs = ("podman", "buildah")

    def path(self, request: Request) -> str:
        return request.places.etc(f"containers/containers.conf.d/50-{request.name}.conf")

    def content(self, request: Request) -> "tuple[str, list[str]]":
        before, after = _other_files(request.places, self.path(request))
        supporting = list(SUPPORT_JSON)
        for path in before:
            listed = _listed(path)
            if listed is not None:
                supporting = listed if listed[-1:] != [""] else [*supporting, *listed[:-1]]
        names = ", ".join(quoted(name) for name in [*supporting, request.name] if name)
        default = f"runtime = {quoted(request.name)}\n" if request.default else ""
        text = (
            "# Made by ocipy install; ocipy uninstall removes it.\n"
            "[engine]\n"
            f"{default}"
            f"# This list takes the place of all before it. The last is ours, the others were in force.\n"
            f"runtime_supports_json = [{names}]\n\n"
            "[engine.runtimes]\n"
            f"{request.name} = [{quoted(request.command)}]\n"
        )
        return text, _overruled(after, request)

    def usage(self, name: str) -> str:
        return f"podman --runtime {name} run …"


def _other_files(places: Places, own: str) -> "tuple[list[str], list[str]]":
    """The files that podman reads before and after ours, in its order."""
    found = [places.of_machine("/usr/share/containers/containers.conf")]
    scopes = [places.of_machine("/etc/containers")]
    if not places.system:
        scopes.append(os.path.dirname(os.path.dirname(own)))
    for directory in scopes:
        found.append(f"{directory}/containers.conf")
        found += sorted(glob.glob(f"{glob.escape(directory)}/containers.conf.d/*.conf"))
    later = [path for path in found if os.path.dirname(path) == os.path.dirname(own) and path > own]
    return [path for path in found if path not in (own, *later)], later


def _engine(path: str) -> "dict[str, object]":
    table = toml_text.parse(writing.read(path) or "", path).get("engine")
    return table if isinstance(table, dict) else {}


def _listed(path: str) -> "list[str] | None":
    """The list in one file; "" at its end if it is appended to what was before (podman 5: ``{append=true}``)."""
    listed = _engine(path).get("runtime_supports_json")
    if not isinstance(listed, list):
        return None
    appends = any(isinstance(item, dict) and item.get("append") for item in listed)
    return [item for item in listed if isinstance(item, str)] + [""] * appends


def _overruled(after: "list[str]", request: Request) -> "list[str]":
    notes = []
    for path in after:
        listed = _listed(path)
        if listed is not None and request.name not in listed and listed[-1:] != [""]:
            notes.append(f"{path} is read later, and its runtime_supports_json lacks {request.name}")
        runtime = _engine(path).get("runtime")
        if request.default and runtime not in (None, request.name):
            notes.append(f"{path} is read later, and makes {runtime} the default runtime")
    return notes
