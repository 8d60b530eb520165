"""Directories of our own that stand for the runtime's root directory and a cgroup filesystem."""

import pytest


@pytest.fixture
def root(tmp_path):
    """The runtime's root directory."""
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def tree(tmp_path):
    """A hierarchy's mount point."""
    path = tmp_path / "cg"
    path.mkdir()
    return path
