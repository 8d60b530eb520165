"""Bundles of a root filesystem that is used in place: the cheapest source there is."""

import json

import pytest

from ocipy.bundle import make_bundle


@pytest.fixture
def rootfs(tmp_path):
    """A root filesystem to be used in place."""
    root = tmp_path / "image"
    (root / "bin").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:33:34::/www:/bin/sh\n")
    for name in ("sh", "tool"):
        (root / "bin" / name).write_text("")
        (root / "bin" / name).chmod(0o755)
    return str(root)


@pytest.fixture
def make(tmp_path, rootfs):
    """Makes a bundle with the fields given; the value is its config."""

    def run(**fields):
        fields.setdefault("rootfs", rootfs)
        directory = tmp_path / "bundle"
        made = make_bundle(directory, **fields)
        assert made.path == str(directory)
        return json.loads((directory / "config.json").read_text())

    return run
