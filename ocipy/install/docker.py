"""dockerd: an entry of daemon.json, under ``runtimes`` (dockerd(8))."""

from ocipy.errors import OcipyError
from ocipy.install import json_text
from ocipy.install.engine import Added, ChangedError, Engine, Request
from ocipy.install.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.install.engine import Undo


class Docker(Engine):
    name = "docker"
    directory = "docker"
    programs = ("dockerd",)
    user_programs = ("dockerd-rootless.sh",)

    def path(self, request: Request) -> str:
        return request.places.etc("docker/daemon.json")

    def add(self, text: "str | None", request: Request, path: str, earlier: "Undo | None") -> Added:
        text = text or ""
        bom = "\ufeff" if text.startswith("\ufeff") else ""
        text = text.removeprefix(bom)
        entry = {"path": request.command}
        there = _runtimes(text, path).get(request.name)
        if there not in (None, entry) and there != (earlier or {}).get("entry"):
            raise OcipyError(
                f"{path}: the runtime {request.name} is something else there (choose another --name, or remove it)"
            )
        undo: Undo = {"entry": entry}
        try:
            if there != entry:
                text = json_text.put(text, ("runtimes", request.name), entry)
            if request.default:
                former = json_text.parse(text, path).get("default-runtime")
                undo["default"] = (earlier or {}).get("default") if former == request.name else former
                if former != request.name:
                    text = json_text.put(text, ("default-runtime",), request.name)
            elif earlier:
                text = _former_default(text, request.name, earlier)
        except OcipyError as problem:
            raise OcipyError(f"{path}: {problem}") from None
        return Added(bom + text, undo)

    def take_out(self, text: str, name: str, undo: "Undo") -> str:
        bom = "\ufeff" if text.startswith("\ufeff") else ""
        text = text.removeprefix(bom)
        runtimes = _runtimes(text, "")
        if name in runtimes and runtimes[name] != undo["entry"]:
            raise ChangedError(f"the runtime {name} isn't what ocipy install wrote there")
        text = _former_default(text, name, undo)
        if name in runtimes:
            text = json_text.remove(text, ("runtimes", name) if len(runtimes) > 1 else ("runtimes",))
        return bom + text

    def is_empty(self, text: str) -> bool:
        return not json_text.parse(text, "")

    def reload(self, places: Places) -> str:
        return f"systemctl {'' if places.system else '--user '}reload docker"

    def usage(self, name: str) -> str:
        return f"docker run --runtime {name} …"


def _runtimes(text: str, path: str) -> "dict[str, object]":
    runtimes = json_text.parse(text, path).get("runtimes", {})
    return runtimes if isinstance(runtimes, dict) else {}


def _former_default(text: str, name: str, undo: "Undo") -> str:
    """The text with the default runtime that was there before, if it is still the one of this name."""
    key = "default-runtime"
    if "default" not in undo or json_text.parse(text, "").get(key) != name:
        return text
    return json_text.remove(text, (key,)) if undo["default"] is None else json_text.put(text, (key,), undo["default"])
