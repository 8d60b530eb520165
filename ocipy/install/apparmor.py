"""An AppArmor profile that lets users without privileges make user namespaces where the host restricts that.

The profile forbids nothing (``unconfined``).  It attaches to the file of the launcher, by its real path: the kernel
looks at the file, not at a link to it.  The launcher executes the interpreter, the runtime ``ocipy-init``; a process
of an unconfined profile that executes a program for which there is no profile keeps its own (apparmor.d(5)), so both
keep this one, and ``ocipy-init`` may clone into a user namespace.
"""

import os
import subprocess

from ocipy.errors import OcipyError, one_line
from ocipy.install.engine import OwnFile, Request
from ocipy.install.places import Places

RESTRICTION = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
_ENABLED = "/sys/module/apparmor/parameters/enabled"
_SPECIAL = frozenset('\\"*?[]{}^@')


class AppArmor(OwnFile):
    name = "apparmor"
    has_users = False

    def found(self, places: Places) -> bool:
        """Whether this host restricts user namespaces."""
        return not places.destdir and _read(RESTRICTION) not in ("", "0")

    def path(self, request: Request) -> str:
        return request.places.etc(f"apparmor.d/{request.name}")

    def content(self, request: Request) -> "tuple[str, list[str]]":
        text = profile(request.name, os.path.realpath(request.command))
        parser = _parser(request.places)
        if parser is None:
            return text, []
        outcome = _run(parser, "--skip-kernel-load", "--skip-cache", text=text)
        if outcome.returncode:
            reason = one_line(outcome.stderr) or f"exit status {outcome.returncode}"
            raise OcipyError(f"AppArmor refuses the profile: {reason} (rule userns needs AppArmor 4)")
        return text, []

    def activate(self, path: str, places: Places) -> "list[str]":
        parser = _parser(places)
        if parser is None or _read(_ENABLED) != "Y":
            return [f"{path} was not loaded: AppArmor isn't enabled, or there is no apparmor_parser"]
        outcome = _run(parser, "--replace", path)
        return [f"{path} was not loaded: {one_line(outcome.stderr)}"] if outcome.returncode else []

    def deactivate(self, path: str, places: Places) -> None:
        parser = _parser(places)
        if parser and _read(_ENABLED) == "Y":
            _run(parser, "--remove", path)


def profile(name: str, command: str) -> str:
    """The profile's text; ``command`` is the launcher's real path."""
    attached = "".join(f"\\{char}" if char in _SPECIAL else char for char in command)
    return (
        "# Made by ocipy install; ocipy uninstall removes it.\n"
        "abi <abi/4.0>,\n"
        "include <tunables/global>\n\n"
        f'profile {name} "{attached}" flags=(unconfined) {{\n'
        "  userns,\n\n"
        f"  include if exists <local/{name}>\n"
        "}\n"
    )


def _parser(places: Places) -> "str | None":
    return None if places.destdir else places.program("apparmor_parser")


def _run(*command: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
