from ocipy import capabilities


def test_numbers_against_the_manual():
    # capabilities(7) and linux/capability.h, at both ends and where gaps could hide.
    known = {
        "CAP_CHOWN": 0,
        "CAP_SETPCAP": 8,
        "CAP_NET_ADMIN": 12,
        "CAP_NET_RAW": 13,
        "CAP_SYS_ADMIN": 21,
        "CAP_MKNOD": 27,
        "CAP_SETFCAP": 31,
        "CAP_MAC_OVERRIDE": 32,
        "CAP_AUDIT_READ": 37,
        "CAP_PERFMON": 38,
        "CAP_BPF": 39,
        "CAP_CHECKPOINT_RESTORE": 40,
    }
    assert {name: capabilities.NAMES.index(name) for name in known} == known
    assert len(set(capabilities.NAMES)) == len(capabilities.NAMES) == 41


def test_to_mask():
    assert capabilities.to_mask([]) == (0, [])
    assert capabilities.to_mask(["CAP_KILL", "CAP_CHOWN", "CAP_KILL"]) == (0b100001, [])
    assert capabilities.to_mask(["CAP_CHECKPOINT_RESTORE"]) == (1 << 40, [])


def test_names_have_to_be_exact():
    odd = ["cap_kill", "KILL", "CAP_NOPE", "", " CAP_KILL", "CAP_31"]
    assert capabilities.to_mask([*odd, "CAP_KILL"]) == (1 << 5, odd)


def test_there_and_back():
    for number, name in enumerate(capabilities.NAMES):
        assert capabilities.names(1 << number) == [name]
    mask, unknown = capabilities.to_mask(capabilities.NAMES)
    assert (capabilities.names(mask), unknown) == (list(capabilities.NAMES), [])
    assert capabilities.names(0) == []


def test_bit_newer_than_the_table():
    assert capabilities.names(1 << 63 | 1) == ["CAP_CHOWN", "63"]
