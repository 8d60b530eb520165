"""containerd by way of the Container Runtime Interface over gRPC, as a kubelet uses it."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.engines.containerd import FOREVER, IMAGE, Containerd
from tests.engines.stream import Stream
from tests.system.runtime import until

PROTO = Path(__file__).with_name("cri.proto")
DEADLINE = 30  # seconds
NODE = {"namespace_options": {"network": "NODE"}}
NETWORK = """{
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge", "bridge": "cri0", "isGateway": true,
            "ipam": {"type": "host-local", "dataDir": "/run/cri-addresses", "ranges": [[{"subnet": "10.89.0.0/24"}]]}
        },
        {"type": "portmap", "capabilities": {"portMappings": true}}
    ]
}"""


class CRI(Containerd):
    name = "cri"
    title = "containerd, CRI"
    tools = (*Containerd.tools, "busybox", "iptables")
    own_cgroups = ("k8s.io", "kubepods")
    namespace = "k8s.io"

    def boot(self) -> None:
        # Read when grpc is imported: what it does at a fork is for those that go on in Python.
        os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
        import grpc

        self.error = grpc.RpcError
        self._numbers = itertools.count(1)
        self._methods, self._messages = compiled(PROTO)
        (self.place / "cni").mkdir()
        (self.place / "cni/pods.conflist").write_text(NETWORK)
        self.logs = self.place / "logs"
        super().boot()
        self._channel = grpc.insecure_channel(f"unix:{self.socket}")

    def __call__(self, method: str, **request: Any) -> Any:
        """Call that method of the service: the response.  Raises ``error``."""
        described = self._methods[method]
        message = self._messages[described.input_type.full_name](**request)
        call = self._channel.unary_unary(
            f"/{described.containing_service.full_name}/{method}",
            request_serializer=type(message).SerializeToString,
            response_deserializer=self._messages[described.output_type.full_name].FromString,
        )
        return call(message, timeout=DEADLINE)

    @contextmanager
    def pod(self, network: bool = False, **config: Any) -> Iterator["Pod"]:
        """A sandbox; ``config`` are members of PodSandboxConfig.  On the host's network unless one is asked for."""
        number = next(self._numbers)
        document = {
            "metadata": {"name": f"pod{number}", "uid": f"uid{number}", "namespace": "tests"},
            "log_directory": str(self.logs / f"pod{number}"),
            "linux": {} if network else {"security_context": NODE},
            **config,
        }
        sandbox = self("RunPodSandbox", config=document, runtime_handler=self.runtime.name).pod_sandbox_id
        try:
            yield Pod(self, sandbox, document)
        finally:
            self("StopPodSandbox", pod_sandbox_id=sandbox)
            self("RemovePodSandbox", pod_sandbox_id=sandbox)

    @contextmanager
    def container(self, *command: str, **config: Any) -> Iterator["Container"]:
        """A container that runs, alone in a pod."""
        with self.pod() as pod:
            yield pod.start(*command, **config)

    def refusal(self, method: str, **request: Any) -> str:
        """What the error says, which the call has to end with."""
        try:
            self(method, **request)
        except self.error as error:
            return str(error.details())
        raise AssertionError(f"{method} went well: {request}")

    def answers(self) -> bool:
        """Whether the service is there."""
        try:
            return bool(self("Version").runtime_name)
        except self.error:
            return False

    def sweep(self) -> None:
        for each in self("ListPodSandbox").items:
            self("StopPodSandbox", pod_sandbox_id=each.id)
            self("RemovePodSandbox", pod_sandbox_id=each.id)

    def stop(self) -> None:
        self._channel.close()
        super().stop()


class Pod:
    """``id`` is the sandbox's; its containers are removed with it."""

    def __init__(self, engine: CRI, sandbox: str, config: dict[str, Any]) -> None:
        self.engine = engine
        self.id = sandbox
        self.config = config
        self._numbers = itertools.count(1)

    def create(self, *command: str, **config: Any) -> "Container":
        """A container; ``config`` are members of ContainerConfig."""
        name = f"c{next(self._numbers)}"
        document = {
            "metadata": {"name": name},
            "image": {"image": IMAGE},
            "command": list(command or FOREVER),
            "log_path": f"{name}.log",
            **config,
        }
        request = {"pod_sandbox_id": self.id, "config": document, "sandbox_config": self.config}
        return Container(self, self.engine("CreateContainer", **request).container_id, name)

    def start(self, *command: str, **config: Any) -> "Container":
        container = self.create(*command, **config)
        container("StartContainer")
        return container

    def says(self, script: str, **config: Any) -> str:
        """What a shell script prints in a container of its own, on stdout."""
        return self.start("sh", "-c", script, **config).says()


class Container:
    def __init__(self, pod: Pod, container: str, name: str) -> None:
        self.pod = pod
        self.id = container
        self.log = Path(pod.config["log_directory"]) / f"{name}.log"

    def __call__(self, method: str, **request: Any) -> Any:
        return self.pod.engine(method, container_id=self.id, **request)

    def refusal(self, method: str, **request: Any) -> str:
        return self.pod.engine.refusal(method, container_id=self.id, **request)

    def status(self) -> Any:
        return self("ContainerStatus").status

    def ended(self) -> Any:
        """Wait for its end: its status."""
        until(lambda: self.status().finished_at, f"the end of {self.id}")
        return self.status()

    def says(self) -> str:
        """What it printed on stdout until its end."""
        self.ended()
        rows = [line.split(" ", 3) for line in self.log.read_text().splitlines()]
        return "".join(f"{row[3]}\n" if row[2] == "F" else row[3] for row in rows if row[1] == "stdout")

    def exec(self, *command: str, status: int = 0, timeout: int = 10) -> str:
        """What a process in it prints, to its end."""
        done = self("ExecSync", cmd=command, timeout=timeout)
        assert done.exit_code == status, f"exit status {done.exit_code}: {done.stdout!r} {done.stderr!r}"
        return str(done.stdout.decode())

    def stream(self, method: str, **request: Any) -> Stream:
        """Exec or Attach."""
        return Stream(self.pod.engine.machine, self(method, **request).url)


def compiled(proto: Path) -> tuple[Any, Any]:
    """Of a .proto file: descriptors of its only service's methods by name, its messages' classes by full name."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from grpc_tools import protoc

    with tempfile.NamedTemporaryFile() as output:
        options = [f"--proto_path={proto.parent}", f"--descriptor_set_out={output.name}"]
        assert protoc.main(["protoc", *options, str(proto)]) == 0
        (file,) = descriptor_pb2.FileDescriptorSet.FromString(Path(output.name).read_bytes()).file
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    (service,) = pool.FindFileByName(file.name).services_by_name.values()
    return service.methods_by_name, message_factory.GetMessageClassesForFiles([file.name], pool)
