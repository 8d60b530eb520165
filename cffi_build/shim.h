/* The C functions of the extension ocipy._shim: what Python's posix module lacks. They return -errno on failure. */
#ifndef OCIPY_SHIM_H
#define OCIPY_SHIM_H

#include <stdint.h>

#include "clone.h"
#include "shim.cdef.h"

#endif
