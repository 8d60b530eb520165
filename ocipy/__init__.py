"""ocipy: an OCI container runtime, as a command and as a library.

>>> import ocipy
>>> container = ocipy.Container.create("web", bundle="/bundles/web")
>>> container.start()
>>> container.wait()
0

The library is the runtime: the command ``ocipy`` is a thin client of it.  Names are imported on first use,
for the import list of the command is a budget (see docs/architecture.md).
"""

__version__ = "0.1.0"
SPEC_VERSION = "1.3.0"

_HOME = {
    "Console": "ocipy.console",
    "Container": "ocipy.container",
    "OcipyError": "ocipy.errors",
    "ConfigError": "ocipy.errors",
    "NotFoundError": "ocipy.errors",
    "Process": "ocipy.process",
    "StateError": "ocipy.errors",
    "StepError": "ocipy.errors",
    "SyscallError": "ocipy.errors",
    "Usage": "ocipy.usage",
    "UsageError": "ocipy.errors",
    "features": "ocipy.features_document",
    "make_bundle": "ocipy.bundle",
}

__all__ = [*_HOME, "SPEC_VERSION", "__version__"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.bundle import make_bundle as make_bundle
    from ocipy.console import Console as Console
    from ocipy.container import Container as Container
    from ocipy.errors import ConfigError as ConfigError
    from ocipy.errors import NotFoundError as NotFoundError
    from ocipy.errors import OcipyError as OcipyError
    from ocipy.errors import StateError as StateError
    from ocipy.errors import StepError as StepError
    from ocipy.errors import SyscallError as SyscallError
    from ocipy.errors import UsageError as UsageError
    from ocipy.features_document import features as features
    from ocipy.process import Process as Process
    from ocipy.usage import Usage as Usage


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'ocipy' has no attribute {name!r}")
    value: object = getattr(__import__(home, fromlist=[name]), name)
    globals()[name] = value
    return value
