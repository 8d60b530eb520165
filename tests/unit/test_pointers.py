"""JSON pointers (RFC 6901) and how people read them."""

import pytest

from ocipy.pointers import dotted, escape


@pytest.mark.parametrize(
    ("pointer", "text"),
    [
        ("", ""),
        ("/linux", "linux"),
        ("/linux/resources/memory", "linux.resources.memory"),
        ("/mounts/3", "mounts[3]"),
        ("/mounts/3/options/0", "mounts[3].options[0]"),
        ("/hooks/prestart/12/path", "hooks.prestart[12].path"),
        ("/annotations/a~1b", "annotations.a/b"),
        ("/annotations/a~0b", "annotations.a~b"),
        ("/annotations/~01", "annotations.~1"),  # ~0 is undone last: it was done first
        ("/3", "3"),  # the document isn't a list: a member of that name
    ],
)
def test_dotted(pointer, text):
    assert dotted(pointer) == text


@pytest.mark.parametrize("name", ["plain", "a/b", "a~b", "~1", "~0", "/~/", "", "net.ipv4.conf.eth0/1.x"])
def test_an_escaped_name_is_one_part_and_comes_back(name):
    pointer = f"/sysctl/{escape(name)}"
    assert pointer.count("/") == 2
    assert pointer.split("/")[2].replace("~1", "/").replace("~0", "~") == name


def test_escape():
    assert escape("a/b~c") == "a~1b~0c"
