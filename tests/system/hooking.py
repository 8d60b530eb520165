"""Hooks for tests: shell scripts that write down what they met with."""

import json

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
RUNTIME_KINDS = ("prestart", "createRuntime", "poststart", "poststop")
FOREVER = ("sleep", "1000")


def hook(script, *args, env=("PATH=/bin:/usr/bin",), **more):
    return {"path": "/bin/sh", "args": ["sh", "-c", script, *args], "env": list(env), **more}


def with_hooks(notes=None, **hooks):
    """Sets the hooks, and binds the notes into the container for its own (after pivot_root) to write to."""

    def change(config):
        config["hooks"] = hooks
        if notes:
            mount = {"destination": str(notes), "source": str(notes), "options": ["bind"]}
            config["mounts"].append(mount)

    return change


def note(notes, text):
    return hook(f"echo {text} >> {notes}/log")


def lines(notes):
    log = notes / "log"
    return log.read_text().split() if log.exists() else []


def bundle_writing_to(bundle, notes, *args, **hooks):
    """The notes' path has to exist in the root filesystem, which is read-only: a copy."""
    path = bundle(*args, own_rootfs=True, change=with_hooks(notes, **hooks))
    (path / "rootfs" / str(notes).lstrip("/")).mkdir(parents=True)
    return path


def use_program(path, *args):
    config = json.loads((path / "config.json").read_text())
    config["process"]["args"] = list(args)
    (path / "config.json").write_text(json.dumps(config))
    return path
