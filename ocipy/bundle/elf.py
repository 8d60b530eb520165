"""The one thing a bundle needs to know of an ELF file: who loads it (elf(5))."""

import os
import struct
from typing import BinaryIO

from ocipy.errors import OcipyError

_PT_INTERP = 3
_PATH_MAX = 4096


def is_elf(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def is_static(path: str) -> bool:
    """Whether the ELF file needs no dynamic loader (a static PIE has a dynamic section and loads itself)."""
    return interpreter(path) is None


def interpreter(path: str) -> str | None:
    """The path of the dynamic loader that the ELF executable asks for, None if it asks for none.

    Raises OcipyError for a file that isn't ELF or is cut short, OSError when it can't be read.
    """
    with open(path, "rb") as file:
        ident = file.read(16)
        try:
            if ident[:4] != b"\x7fELF":
                raise OcipyError(f"{path} is not an ELF file")
            order = "<" if ident[5] == 1 else ">"
            wide = ident[4] == 2
            # e_phoff, then e_phentsize and e_phnum: their places differ by class.
            header = file.read(48 if wide else 36)
            (offset,) = struct.unpack_from(order + ("Q" if wide else "I"), header, 16 if wide else 12)
            entry_size, count = struct.unpack_from(order + "HH", header, 38 if wide else 26)
            file.seek(offset)
            table = file.read(entry_size * count)
            for index in range(count):
                start = index * entry_size
                (kind,) = struct.unpack_from(order + "I", table, start)
                if kind == _PT_INTERP:
                    place = struct.unpack_from(order + ("Q" if wide else "I"), table, start + (8 if wide else 4))[0]
                    size = struct.unpack_from(order + ("Q" if wide else "I"), table, start + (32 if wide else 16))[0]
                    file.seek(place)
                    return _read_name(path, file, size)
        except (struct.error, IndexError):
            raise OcipyError(f"{path} is a damaged ELF file") from None
    return None


def _read_name(path: str, file: BinaryIO, size: int) -> str:
    name = file.read(min(size, _PATH_MAX))
    if len(name) != size or not name.endswith(b"\0"):
        raise OcipyError(f"{path} is a damaged ELF file")
    return os.fsdecode(name[:-1])
