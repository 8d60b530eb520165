"""Kubernetes: a RuntimeClass, by which pods ask for the runtime (its handler is the name at containerd or CRI-O)."""

import os
import re

from ocipy.errors import UsageError
from ocipy.install.engine import OwnFile, Request, quoted
from ocipy.install.places import Places


class RuntimeClass(OwnFile):
    name = "runtimeclass"

    def __init__(self, file: str = "") -> None:
        self.file = file

    def found(self, places: Places) -> bool:
        return False

    def path(self, request: Request) -> str:
        return os.path.abspath(self.file)

    def content(self, request: Request) -> "tuple[str, list[str]]":
        return manifest(request.name), []

    def usage(self, name: str) -> str:
        return f"runtimeClassName: {name} in a pod's spec"


def manifest(name: str) -> str:
    """The manifest.  Raises UsageError for a name that Kubernetes has none of (an RFC 1123 label)."""
    if not re.fullmatch("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
        raise UsageError(f"--name {name}: a RuntimeClass's handler is of lower-case letters, digits and '-'")
    return (
        f"apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata:\n  name: {quoted(name)}\nhandler: {quoted(name)}\n"
    )
