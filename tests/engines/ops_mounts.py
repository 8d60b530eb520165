"""Operations: volumes, devices, root filesystems."""

import os

from tests.engines.commandline import ALL, IMAGE, PODMAN, ROOTFUL, CommandLine
from tests.engines.matrix import operation
from tests.engines.podman import Podman


def directory(engine: CommandLine, name: str) -> str:
    path = engine.place / name
    path.mkdir(exist_ok=True)
    (path / "file").write_text("of the host\n")
    owner = engine.place.stat()
    for each in (path, path / "file"):
        os.chown(each, owner.st_uid, owner.st_gid)
    return str(path)


@operation(*ALL)
def volumes(engine: CommandLine) -> None:
    """run -v: a directory of the host's, read-write and read-only, with options; a file."""
    path = directory(engine, "volume")
    flags = ("-v", f"{path}:/rw", "-v", f"{path}:/ro:ro", "-v", f"{path}/file:/etc/file:ro")
    said = engine.inside("cat /rw/file; echo new >/rw/new; cat /ro/new /etc/file; echo x >/ro/x", *flags, status=1)
    assert said == "of the host\nnew\nof the host\n"
    assert (engine.place / "volume/new").read_text() == "new\n"


@operation(*ALL)
def named_volumes(engine: CommandLine) -> None:
    """volume create: what the image has there is copied; it stays when the container is gone."""
    engine("volume", "create", "kept")
    assert engine.inside("cat /var/data/original; echo new >/var/data/new", "-v", "kept:/var/data") == "of the image\n"
    assert engine.inside("cat /there/new", "-v", "kept:/there") == "new\n"
    engine("volume", "rm", "kept")


@operation(*ALL)
def volumes_from(engine: CommandLine) -> None:
    """run --volumes-from."""
    with engine.container("-v", "/shared", command=("sh", "-c", "echo x >/shared/x; sleep 1000")) as name:
        said = engine.inside("while [ ! -s /shared/x ]; do :; done; cat /shared/x", "--volumes-from", name)
        assert said == "x\n"


@operation(*ALL)
def tmpfs(engine: CommandLine) -> None:
    """run --tmpfs: with a size and a mode."""
    said = engine.inside("grep ' /var/data ' /proc/mounts; ls /var/data",
                         "--tmpfs", "/var/data:rw,size=1m,mode=1770,noexec")  # fmt: skip
    assert "tmpfs" in said
    assert "size=1024k" in said
    assert "noexec" in said
    assert "mode=1770" in said


@operation(*ALL)
def propagation(engine: CommandLine) -> None:
    """run -v …:rslave: a mount of the host's made later is seen."""
    path = directory(engine, "propagated")
    if engine.rootless:
        assert "of the host" in engine.inside("cat /v/file", "-v", f"{path}:/v:rslave")
        return
    engine.machine.run("sh", "-c", f"mkdir -p {path}/sub; mount --bind {path} {path}; mount --make-rshared {path}")
    try:
        wait = "while ! grep -q /v/sub /proc/mounts; do sleep 0.02; done; exit 8"
        with engine.container("-v", f"{path}:/v:rslave", command=("sh", "-c", wait)) as name:
            engine.machine.run("mount", "-t", "tmpfs", "tmpfs", f"{path}/sub")
            assert engine("wait", name).out.strip() == "8"
    finally:
        engine.machine.run("umount", "-R", path)


@operation(*ALL)
def read_only(engine: CommandLine) -> None:
    """run --read-only: nothing of the root can be written to, volumes and tmpfs can."""
    said = engine.inside("echo x >/x || echo no; echo x >/t/x && echo yes", "--read-only", "--tmpfs", "/t")
    assert said == "no\nyes\n"


@operation(*ALL)
def masked(engine: CommandLine) -> None:
    """What is masked and read-only in /proc and /sys."""
    write = "for f in kernel/hostname vm/swappiness; do (echo 1 >/proc/sys/$f) 2>&1; done; exit 0"
    said = engine.inside(f"cat /proc/keys /proc/timer_list; ls -A /sys/firmware; {write}")
    assert len(said.splitlines()) == 2
    assert said.count("Read-only file system") == 2


@operation(*ALL)
def shm(engine: CommandLine) -> None:
    """run --shm-size."""
    assert "size=2048k" in engine.inside("grep /dev/shm /proc/mounts", "--shm-size", "2m")


@operation(*ALL)
def devices(engine: CommandLine) -> None:
    """run --device: there, usable; devices that weren't given aren't."""
    said = engine.inside("head -c 3 /dev/given | wc -c; ls /dev/given", "--device", "/dev/zero:/dev/given:r")
    assert said == "3\n/dev/given\n"
    assert engine.inside("ls /dev | sort | tr '\\n' ' '").split() >= ["console", "core", "fd"][1:]


@operation(*ROOTFUL)
def device_rules(engine: CommandLine) -> None:
    """run --device, --device-cgroup-rule: what may be done with a device."""
    make = "mknod /n c 1 7; (echo x >/n) 2>&1; mknod /z c 1 99 2>&1; true"
    assert "No space left" in engine.inside(make)
    said = engine.inside("(echo x >/dev/f) 2>&1", "--device", "/dev/full:/dev/f:r", status=1)
    # /dev/full is one of the devices that are always allowed: by its numbers, whatever its name.
    assert "No space left" in said or "not permitted" in said
    rule = engine.inside("mknod /fuse c 10 229; : <>/fuse; echo may", "--device-cgroup-rule", "c 10:229 rwm")
    assert rule == "may\n"
    assert "not permitted" in engine.inside("mknod /fuse c 10 229; (: <>/fuse) 2>&1", status=1)


@operation(*PODMAN)
def volume_chown(engine: CommandLine) -> None:
    """run -v …:U, …:O: a volume given to the container's user; one whose changes are thrown away."""
    path = directory(engine, "chowned")
    assert engine.inside("stat -c %u /v/file", "-u", "1000", "-v", f"{path}:/v:U") == "1000\n"
    path = directory(engine, "overlaid")
    assert engine.inside("echo x >/v/x; ls /v", "-v", f"{path}:/v:O") == "file\nx\n"
    assert os.listdir(path) == ["file"]


@operation("podman", runc_lacks="id-mapped mounts, which came with runc 1.2")
def volume_idmap(engine: CommandLine) -> None:
    """run -v …:idmap with a user namespace: files belong to the container's ids."""
    path = directory(engine, "mapped")
    flags = ("--uidmap", "0:700000:65536", "--gidmap", "0:700000:65536")
    script = "stat -c %u:%g /v/file; echo x >/v/new; stat -c %u /v/new"
    assert engine.inside(script, *flags, "-v", f"{path}:/v:idmap") == "0:0\n0\n"
    assert os.stat(f"{path}/new").st_uid == 0
    assert engine.inside("stat -c %u:%g /v/file", *flags, "-v", f"{path}:/v") == "65534:65534\n"


@operation(*PODMAN)
def mount_kinds(engine: CommandLine) -> None:
    """run --mount: bind, tmpfs, image, devpts."""
    path = directory(engine, "mounted")
    said = engine.inside(
        "cat /b/file /i/var/data/original; echo x >/t/x; grep -c devpts /proc/mounts; touch /b/x || echo ro",
        "--mount", f"type=bind,src={path},dst=/b,ro", "--mount", "type=tmpfs,dst=/t,tmpfs-size=1m",
        "--mount", f"type=image,src={IMAGE},dst=/i", "--mount", "type=devpts,dst=/pts2",
    )  # fmt: skip
    assert said == "of the host\nof the image\n2\nro\n"


@operation(*PODMAN)
def rootfs(engine: Podman) -> None:
    """run --rootfs: a directory as root."""
    path = engine.place / "own-root"
    made = engine.machine.run(*engine.become(), "sh", "-c", f"mkdir {path} && tar -C {path} -xf {engine.image.tar}")
    assert made.status == 0, made.err
    done = engine("run", "--rm", *engine.usual, "--rootfs", path, "/bin/cat", "/var/data/original")
    assert done.out == "of the image\n"


@operation(*PODMAN)
def secrets(engine: CommandLine) -> None:
    """run --secret: as a file and in the environment."""
    file = engine.place / "word"
    file.write_text("hidden")
    engine("secret", "create", "word", file)
    flags = ("--secret", "word", "--secret", "word,type=env,target=WORD")
    assert engine.inside("cat /run/secrets/word; echo $WORD", *flags) == "hiddenhidden\n"
    engine("secret", "rm", "word")


@operation(*ROOTFUL, not_here={"docker": "needs CAP_SYS_RESOURCE"})
def privileged(engine: CommandLine) -> None:
    """run --privileged: all devices, writable /sys, every capability the engine has."""
    said = engine.inside("ls /dev | wc -l; mount -t tmpfs t /tmp && echo mounted; grep CapEff /proc/self/status",
                         "--privileged")  # fmt: skip
    assert int(said.split()[0]) > 20
    assert "mounted" in said
