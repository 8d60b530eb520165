"""The cffi builder of ``ocipy._shim`` (API mode, out of line); setup.py names it in ``cffi_modules``."""

import os
from glob import glob

from cffi import FFI

from cffi_build import sources

HERE = "cffi_build"

# cffi's own generated wrappers take arguments that they don't use.
PREAMBLE = """
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include "shim.h"
"""

ffibuilder = FFI()
with open(f"{HERE}/shim.cdef.h", encoding="utf-8") as cdef:
    ffibuilder.cdef(cdef.read())
ffibuilder.set_source(
    "ocipy._shim",
    PREAMBLE,
    sources=[f"{HERE}/{name}" for name in sources.SHIM_SOURCES],
    include_dirs=[HERE],
    depends=[*sorted(glob(f"{HERE}/*.[ch]")), f"{HERE}/sources.py"],
    extra_compile_args=[*sources.CFLAGS, *(sources.STRICT_SHIM_CFLAGS if os.environ.get("OCIPY_STRICT") else ())],
)
