"""Where configuration and our own record lie: of the system or of a user, below a directory for packagers."""

import os
import pwd
import shutil

from ocipy.errors import OcipyError

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Places:
    """The directories of one scope.

    ``system`` is the whole machine's, else the calling user's (XDG base directory specification).  ``destdir`` is put
    before every path, as a packager's DESTDIR is; "" is the machine itself.
    """

    def __init__(self, system: bool, destdir: str = "") -> None:
        self.system = system
        self.destdir = os.path.abspath(destdir) if destdir else ""

    def etc(self, path: str) -> str:
        """A configuration file: below /etc, or the user's configuration directory."""
        return self.of_machine(f"/etc/{path}") if self.system else f"{self.destdir}{_config_home()}/{path}"

    def of_machine(self, path: str) -> str:
        """An absolute path of the machine's own, whatever the scope is."""
        return self.destdir + path

    @property
    def record(self) -> str:
        """The file that says what was installed."""
        if self.system:
            return self.of_machine("/var/lib/ocipy/install.json")
        data = os.environ.get("XDG_DATA_HOME", "")
        home = data if data.startswith("/") else f"{_home()}/.local/share"
        return f"{self.destdir}{home}/ocipy/install.json"

    def program(self, name: str) -> "str | None":
        """The path of a program of the machine's, None if it has none of that name."""
        found = os.environ.get("PATH", "").split(":") if not self.system else []
        directories = [self.of_machine(directory) for directory in [*SYSTEM_PATH.split(":"), *found] if directory]
        return shutil.which(name, path=":".join(directories))


def _config_home() -> str:
    home = os.environ.get("XDG_CONFIG_HOME", "")
    return home if home.startswith("/") else f"{_home()}/.config"


def _home() -> str:
    home = os.environ.get("HOME", "")
    if home.startswith("/"):
        return home
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        raise OcipyError(f"uid {os.getuid()} has no home directory (set HOME)") from None
