"""Entry of the command: ``python3 -I -S …/ocipy/__main__.py`` (the launcher's way) or ``python3 -m ocipy``.

Kept to the few lines that find the package: a script's own code is compiled anew at every start.
"""

import sys

if not sys.flags.no_site:
    from ocipy.cli import main
else:
    _PACKAGE = __file__.rpartition("/")[0]
    sys.path.append(_PACKAGE.rpartition("/")[0])
    from ocipy.cli import main

sys.exit(main(sys.argv[1:]))
