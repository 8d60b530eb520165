"""Entry of the command: ``python3 -I -S …/ocipy/__main__.py`` (the launcher's way) or ``python3 -m ocipy``.

Kept to a few lines: a script's own code is compiled anew at every start.
"""

import _signal
import gc
import posix
import sys

if sys.flags.no_site:
    # All that a start makes is alive to its end: a collection finds nothing, and takes half a millisecond.
    gc.disable()
    sys.path.append(__file__.rpartition("/")[0].rpartition("/")[0])
    from ocipy import pack

    pack.load()
    from ocipy import sites

    sites.add(sys.path[-1])

from ocipy.cli import main

# Ignored, as an engine may hand it down, children would end without a status for us (waitpid(2)).
_signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
STATUS = main(sys.argv[1:])
if sys.flags.no_site:
    pack.save()
# Taking the interpreter apart would cost 3 ms, and nothing is left to be done.
posix._exit(STATUS)  # noqa: SLF001
