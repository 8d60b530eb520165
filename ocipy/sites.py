"""Where the dependencies are, for an interpreter that was started without site (``-S``).

``site`` reads every ``.pth`` file and costs some 10 ms, so the directories that can be told from the package's own
place are put on the path, unseen; all the others only once an import finds nothing there.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def add(site: str) -> None:
    """Make the dependencies of the package in directory ``site`` importable."""
    name = site.rpartition("/")[2]
    if name == "dist-packages":  # Debian's: pip's are apart from those of Debian packages
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        for other in (f"/usr/local/lib/{version}/dist-packages", "/usr/lib/python3/dist-packages"):
            if other != site:
                sys.path.append(other)
    elif name != "site-packages":  # a checkout: its interpreter's own
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        prefix = sys.executable.rpartition("/")[0].rpartition("/")[0]
        sys.path.append(f"{prefix}/lib/{version}/site-packages")
    sys.meta_path.append(_LastResort)


class _LastResort:
    """An import finder for what nothing else finds: runs site (once), and looks again."""

    @classmethod
    def find_spec(
        cls, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if path is not None:
            return None  # a submodule: its package has been found
        sys.meta_path.remove(cls)
        import site
        from importlib.machinery import PathFinder

        site.main()
        return PathFinder.find_spec(name, None, target)
