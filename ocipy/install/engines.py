"""All that can be registered with, by name, in the order in which it is done."""

from ocipy.install.apparmor import AppArmor
from ocipy.install.containerd import Containerd
from ocipy.install.crio import Crio
from ocipy.install.docker import Docker
from ocipy.install.podman import Podman
from ocipy.install.runtimeclass import RuntimeClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.install.engine import Engine

ENGINES: "dict[str, Engine]" = {
    engine.name: engine for engine in (Podman(), Docker(), Containerd(), Crio(), AppArmor(), RuntimeClass())
}
