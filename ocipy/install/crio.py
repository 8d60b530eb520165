"""CRI-O: a drop-in for crio.conf (crio.conf.d(5))."""

from ocipy.install.engine import OwnFile, Request, quoted
from ocipy.install.places import Places


class Crio(OwnFile):
    name = "crio"
    directory = "crio"
    programs = ("crio",)
    has_users = False

    def path(self, request: Request) -> str:
        return request.places.etc(f"crio/crio.conf.d/50-{request.name}.conf")

    def content(self, request: Request) -> "tuple[str, list[str]]":
        default = f"[crio.runtime]\ndefault_runtime = {quoted(request.name)}\n\n" if request.default else ""
        text = (
            "# Made by ocipy install; ocipy uninstall removes it.\n"
            f"{default}"
            f"[crio.runtime.runtimes.{request.name}]\n"
            f"runtime_path = {quoted(request.command)}\n"
            'runtime_type = "oci"\n'
            'runtime_root = "/run/ocipy"\n'
        )
        return text, []

    def reload(self, places: Places) -> str:
        return "systemctl restart crio"

    def usage(self, name: str) -> str:
        return f"a RuntimeClass with the handler {name}"
