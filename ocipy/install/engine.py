"""What each engine's module does: name its file, add an entry to it, take the entry out again."""

import json
import os
from dataclasses import dataclass, field

from ocipy.errors import OcipyError
from ocipy.install.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # What `take_out` needs to know of an entry, as JSON.
    Undo = dict[str, Any]


class ChangedError(OcipyError):
    """What is in the file isn't what was put there: it is the user's now."""


@dataclass(frozen=True)
class Request:
    """What to register: ``command`` under ``name``; ``default`` makes it the engine's default runtime."""

    name: str
    command: str
    places: Places
    default: bool = False
    systemd_cgroup: bool = False


@dataclass(frozen=True)
class Added:
    """A file's new text, and what taking the entry out again needs to know.  ``notes`` are for the user."""

    text: str
    undo: "Undo"
    notes: "list[str]" = field(default_factory=list)


class Engine:
    """An engine, or another program with a configuration file.  What isn't defined here raises NotImplementedError."""

    name = ""
    # An engine is there if its configuration's directory is, or one of its programs.
    directory = ""
    programs: "tuple[str, ...]" = ()
    user_programs: "tuple[str, ...]" = ()
    # Whether ordinary users run one of their own, with a configuration of their own.
    has_users = True

    def found(self, places: Places) -> bool:
        """Whether the machine, or the user, has this engine, as far as programs and configuration tell."""
        if not (places.system or self.has_users):
            return False
        programs = self.programs if places.system else self.user_programs
        return os.path.isdir(places.etc(self.directory)) or any(places.program(name) for name in programs)

    def path(self, request: Request) -> str:
        """The file that the entry belongs in."""
        raise NotImplementedError

    def add(self, text: "str | None", request: Request, path: str, earlier: "Undo | None") -> Added:
        """The file's text with the entry.  ``text`` is None where there is no file; ``earlier`` is what a former call
        gave as ``undo``, if that entry was never taken out.  Raises OcipyError."""
        raise NotImplementedError

    def take_out(self, text: str, name: str, undo: "Undo") -> str:
        """The text without an entry.  Raises ChangedError."""
        raise NotImplementedError

    def is_empty(self, text: str) -> bool:
        """Whether a file that was made for entries has, without them, nothing that anybody else put there."""
        return not text

    def activate(self, path: str, places: Places) -> "list[str]":
        """After the file was written; the value are notes."""
        return []

    def deactivate(self, path: str, places: Places) -> None:
        """Before the file is removed."""

    def reload(self, places: Places) -> str:
        """What makes the engine read its configuration again, "" if it does for every container."""
        return ""

    def usage(self, name: str) -> str:
        """How to ask for the runtime of this name."""
        return ""


class OwnFile(Engine):
    """An engine that reads a directory of files: the entry is a file of its own."""

    def content(self, request: Request) -> "tuple[str, list[str]]":
        """The file's text, and notes."""
        raise NotImplementedError

    def add(self, text: "str | None", request: Request, path: str, earlier: "Undo | None") -> Added:
        wanted, notes = self.content(request)
        if text is not None and text != wanted:
            if earlier is None:
                raise OcipyError(f"{path} exists, and not by ocipy install (move it away, or choose another --name)")
            if text != earlier["text"]:
                raise ChangedError(f"{path} was changed since ocipy install wrote it (move it away, or change it back)")
        return Added(wanted, {"text": wanted}, notes)

    def take_out(self, text: str, name: str, undo: "Undo") -> str:
        if text != undo["text"]:
            raise ChangedError("it was changed since ocipy install wrote it")
        return ""


def quoted(text: str) -> str:
    """A string for TOML or YAML: what JSON makes of printable text is the same in all three."""
    return json.dumps(text, ensure_ascii=False)
