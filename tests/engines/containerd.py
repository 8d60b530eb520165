"""containerd in the isolation wrapper: what ``ctr`` and the CRI share."""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from tests.engines.matrix import Engine
from tests.system.runtime import until

IMAGE = "localhost/busybox:latest"
FOREVER = ("sleep", "1000")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Nobody lowers oom_score_adj without CAP_SYS_RESOURCE.  The network's addresses are the machine's own.
CONFIG = """\
version = 2
root = "{place}/root"
state = "{place}/state"

[grpc]
  address = "{place}/socket"
[ttrpc]
  address = "{place}/socket.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
  path = "{place}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  disable_tcp_service = true
  restrict_oom_score_adj = true
  sandbox_image = "{image}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{place}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "{runtime.name}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{runtime.name}]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{runtime.name}.options]
        BinaryName = "{runtime.path}"
"""


class Containerd(Engine):
    """The daemon; ``namespace`` is that of the client, to whom the image belongs."""

    tools = ("containerd", "ctr")
    namespace: str

    def boot(self) -> None:
        self.runtime = self.runtime._replace(root=f"/run/containerd/runc/{self.namespace}")
        self.socket = self.place / "socket"
        (self.place / "config.toml").write_text(CONFIG.format(place=self.place, image=IMAGE, runtime=self.runtime))
        # For what containerd takes from its PATH, whatever runtime it was told.
        (self.place / "bin").mkdir()
        (self.place / "bin/runc").symlink_to(self.runtime.path)
        self.launch()
        archive = self.place / "image.tar"
        write_archive(self.image.tar, archive)
        self.ctr("images", "import", archive)

    def launch(self) -> None:
        """Start the daemon."""
        with (self.place / "log").open("ab") as log:
            self.daemon = self.machine.start(
                "containerd", "--config", self.place / "config.toml", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": f"{self.place}/bin:{SYSTEM_PATH}"},
            )  # fmt: skip
        until(lambda: self.ctr("version", status=None).status == 0, "containerd")

    def ctr(self, *words: object, status: int | None = 0, **options: Any) -> Any:
        """``ctr WORDS``, which has to end with that status (None: any)."""
        done = self.machine.run(*self.ctr_command(*words), **options)
        assert status in (None, done.status), (
            f"ctr {' '.join(map(str, words))}: exit status {done.status}, expected {status}: {done.err}{done.out}"
        )
        return done

    def ctr_command(self, *words: object) -> tuple[object, ...]:
        return ("ctr", "--address", self.socket, "--namespace", self.namespace, *words)

    def task(self, name: str) -> tuple[int, str]:
        """Its pid, as the machine sees it, and its status."""
        rows = [line.split() for line in self.ctr("task", "ls").out.splitlines()]
        return {row[0]: (int(row[1]), row[2]) for row in rows[1:]}[name]

    def setting(self, name: str, *files: str) -> list[str]:
        """The words in the first of these files that a cgroup of the container has."""
        for file in files:
            for top in self.machine.cgroups:
                if (path := top / self.namespace / name / file).exists():
                    return path.read_text().split()
        raise AssertionError(f"no cgroup of {name} has {files}")

    def version(self) -> str:
        return str(self.ctr("version").out.split("Version:")[1].split()[0])

    def halt(self) -> None:
        """End the daemon; containers go on."""
        for pid, command in self.machine.processes().items():
            if command.startswith("containerd "):
                self.machine.run("kill", pid)
        self.daemon.wait(10)

    def stop(self) -> None:
        self.halt()


def write_archive(layer: Path, archive: Path) -> None:
    """Write a tar of an OCI image layout with one image, IMAGE, of that one layer."""
    blobs: dict[str, bytes] = {}

    def add(kind: str, content: bytes | dict[str, Any]) -> dict[str, Any]:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        media = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}

    diff = add("layer.v1.tar", layer.read_bytes())
    program = {"Env": ["PATH=/bin"], "Cmd": [*FOREVER]}
    rootfs = {"type": "layers", "diff_ids": [diff["digest"]]}
    config = add("config.v1+json", {"architecture": "amd64", "os": "linux", "config": program, "rootfs": rootfs})
    manifest = add("manifest.v1+json", {"schemaVersion": 2, "config": config, "layers": [diff]})
    manifest["annotations"] = {"io.containerd.image.name": IMAGE}
    blobs["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode()
    blobs["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    with tarfile.open(archive, "w") as tar:
        for name, data in blobs.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
