"""``ocipy spec``: write the default config.json, as ``runc spec`` does."""

from ocipy.errors import OcipyError, SyscallError
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings

SUMMARY = "write a default config.json"
USAGE = "ocipy spec [--rootless] [--bundle DIR]"
OPTIONS = (
    Option("bundle", "directory to write config.json in (default: the current one)", "text", "DIR", short="b"),
    Option("rootless", "write a config that runs without root privileges"),
)


def run(parsed: Parsed, _settings: "Settings") -> int:
    import os

    from ocipy import host
    from ocipy.bundle.default_config import default_config, write_config

    expect(parsed.arguments, 0, 0, USAGE)
    directory = parsed.text("bundle")
    path = os.path.join(directory, "config.json")
    try:
        unified = host.probe().cgroup_mode == "unified"
        write_config(path, default_config(parsed.flag("rootless"), unified))
    except FileExistsError:
        raise OcipyError("File config.json exists. Remove it first") from None
    except OSError as problem:
        raise SyscallError("write", problem.errno or 0, path) from problem
    return 0
