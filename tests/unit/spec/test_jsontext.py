"""JSON without the json package: as strict as it says, else as json has it, and every fault with its place."""

import json
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocipy.errors import ConfigError
from ocipy.spec import jsontext, locate
from ocipy.spec.jsontext import dumps, dumps_pretty, loads

from .documents import CHECKOUT, FULL, examples, without_null

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=15,
)


def fault_of(data):
    with pytest.raises(ConfigError) as caught:
        loads(data, "/b/config.json")
    assert len(caught.value.faults) == 1
    assert str(caught.value).startswith("/b/config.json: ")
    return caught.value.faults[0]


@given(VALUES)
def test_what_is_written_is_read(value):
    expected = without_null(value)
    assert loads(dumps(value).encode(), "x") == expected
    assert loads(dumps_pretty(value).encode(), "x") == expected


@given(VALUES)
def test_it_writes_as_json_does(value):
    assert dumps(value) == json.dumps(value, separators=(",", ":"))
    assert dumps_pretty(value) == json.dumps(value, indent=2, ensure_ascii=not encodable(value))


def encodable(value):
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def test_pretty_is_what_go_writes():
    value = {"ociVersion": "1.3.0", "pid": 0, "annotations": {}, "list": [], "nested": {"a": [1, "é"]}}
    assert dumps_pretty(value) == (
        '{\n  "ociVersion": "1.3.0",\n  "pid": 0,\n  "annotations": {},\n  "list": [],\n'
        '  "nested": {\n    "a": [\n      1,\n      "é"\n    ]\n  }\n}'
    )


def test_bytes_of_the_file_system_come_back():
    path = b"/bundles/\xff\xe9".decode("utf-8", "surrogateescape")
    for write in (dumps, dumps_pretty):
        text = write({"bundle": path})
        assert loads(text.encode(), "x") == {"bundle": path}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_no_nan_is_written(value):
    with pytest.raises(ValueError, match="Out of range"):
        dumps([value])


def test_other_types_are_not_written():
    with pytest.raises(TypeError, match="set has no JSON form"):
        dumps({"a": {1}})


def test_null_members_are_absent():
    assert loads(b'{"a": null, "b": {"c": null}, "d": [null, {"e": null}]}', "x") == {"b": {}, "d": [None, {}]}


def test_a_null_given_twice_is_given_twice():
    assert "twice" in fault_of(b'{"a": null, "a": null}').message


@pytest.mark.parametrize(
    "text", ["1", '"x"', "null", "[]", " \t\r\n{ }\n", "-0", "-0.5e-3", "123456789012345678901234567890"]
)
def test_good_texts(text):
    assert loads(text.encode(), "x") == json.loads(text)


FAULTS = [
    (b"", "", 1, 1, "expected a value, but the file ends here"),
    (b" \n ", "", 2, 2, "expected a value, but the file ends here"),
    (b"{", "", 1, 2, "expected a property's name in double quotes, but the file ends here"),
    (b'{"a": 1,\n}', "", 2, 1, "the comma before '}' is one too many"),
    (b'{"a": [1,]}', "/a", 1, 10, "the comma before ']' is one too many"),
    (b'{"a": [1 2]}', "/a", 1, 10, "expected ',' or ']', got '2'"),
    (b'{"a": 1\n "b": 2}', "", 2, 2, "expected ',' or '}', got '\"'"),
    (b'{"a": NaN}', "/a", 1, 7, "expected a value, got 'NaN' (JSON has no NaN)"),
    (b"[Infinity]", "/0", 1, 2, "expected a value, got 'Infinity' (JSON has no Infinity)"),
    (b"[-Infinity]", "/0", 1, 2, "expected a value, got '-Infinity' (JSON has no Infinity)"),
    (b'{"a": True}', "/a", 1, 7, "expected a value, got 'True' (it is written true)"),
    (b"{'a': 1}", "", 1, 2, "expected a property's name in double quotes, got \"'\" (strings need double quotes)"),
    (b"{a: 1}", "", 1, 2, "expected a property's name in double quotes, got 'a'"),
    (b'{"a" 1}', "/a", 1, 6, "expected ':' after the name 'a', got '1'"),
    (b'{"a": 1} // x', "", 1, 10, "expected the end of the file, got '//' (JSON has no comments)"),
    (b'{"a": 1}}', "", 1, 9, "expected the end of the file, got '}'"),
    (b"[1}", "", 1, 3, "expected ',' or ']', got '}'"),
    (b"[01]", "", 1, 2, "a number can't begin with 0, and digits must follow its '.' and its 'e'"),
    (b"[1.]", "", 1, 2, "a number can't begin with 0, and digits must follow its '.' and its 'e'"),
    (b"[-]", "/0", 1, 2, "expected a value, got '-'"),
    (b"[1e999]", "/0", 1, 2, "the number is too large"),
    (b"[" + b"9" * 5000 + b"]", "/0", 1, 2, "the number is too large"),
    (b'["a\nb"]', "/0", 1, 4, "a line break or other control character inside a string (write it as an escape)"),
    (b'["\\x"]', "/0", 1, 3, 'a backslash in a string must be followed by one of " \\ / b f n r t u'),
    (b'["\\u12g4"]', "/0", 1, 4, "\\u in a string must be followed by four hexadecimal digits"),
    (b'{"a": "b', "/a", 1, 7, "the string that begins here has no closing quote"),
    (b"\xef\xbb\xbf{}", "", 1, 1, "expected a value, got '\\ufeff' (a byte order mark; save the file without one)"),
    (b'{\n "a\xc3\xa9": "\xff"}', "", 2, 9, "not UTF-8 text (byte 0xff)"),
    (
        b'{"a": 1,\n "m": [{"x/y": {"b": 1, "c": 2,\n "b": 3}}]}',
        "/m/0/x~1y/b",
        3,
        2,
        "the property 'b' is given twice (first in line 2, column 17)",
    ),
]


@pytest.mark.parametrize(("data", "pointer", "line", "column", "message"), FAULTS)
def test_faults_say_where_and_what(data, pointer, line, column, message):
    fault = fault_of(data)
    assert (fault.pointer, fault.line, fault.column, fault.message) == (pointer, line, column, message)


def test_faults_without_the_json_package_loaded():
    """The C scanner needs json.decoder for its exception, and doesn't load it."""
    program = """if True:
        import sys
        sys.path.insert(0, sys.argv[1])
        from ocipy.spec.jsontext import loads
        from ocipy.errors import ConfigError
        for data in eval(sys.argv[2]):
            for name in [name for name in sys.modules if name.partition(".")[0] == "json" or "locate" in name]:
                del sys.modules[name]
            try:
                loads(data, "x")
            except ConfigError as problem:
                print(problem.faults[0].message)
    """
    faults = [case for case in FAULTS if len(case[0]) < 100]
    command = [sys.executable, "-I", "-S", "-c", program, str(CHECKOUT), repr([case[0] for case in faults])]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8").stdout
    assert printed.splitlines() == [case[4] for case in faults]


def test_a_fault_of_the_whole_file_shows_no_pointer():
    assert str(fault_of(b"{,}")).startswith("line 1, column 2: expected")
    assert str(fault_of(b'{"a":}')).startswith("/a (line 1, column 6): expected")


@pytest.mark.parametrize("data", [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000])
def test_deep_nesting_is_refused(data):
    fault = fault_of(data)
    assert "levels deep, which is too deep" in fault.message
    assert len(fault.pointer) < 1000


def test_deep_nesting_without_an_end():
    assert "the file ends here" in fault_of(b"[" * 100_000).message


def test_reading_and_explaining_are_equally_strict():
    """Whatever ``loads`` refuses, ``locate`` finds the fault of; and it finds none in what ``loads`` takes."""
    text = json.dumps({**FULL, "float": -1.5e-7, "text": 'a"\\\n\u20ac\U0001f600'}, indent=1)
    pieces = [
        *'{}[]",:\\/\n\t\0 .-+eE0123456789',
        "null",
        "true",
        "NaN",
        "\\u12",
        "\\ud800",
        '"a":',
        "1e400",
        "é",
        "//",
    ]
    refused = 0
    for seed in examples(1500):
        dice = random.Random(seed)  # noqa: S311
        start = dice.randrange(len(text))
        changed = cut(text, start, dice.randint(50, 300))
        for _ in range(dice.randint(0, 2)):
            at = dice.randrange(len(changed))
            changed = changed[:at] + dice.choice(pieces) + changed[at + dice.randint(0, 2) :]
        data = changed.encode("utf-8", "surrogatepass")
        walker = locate._Walker(changed)
        fault = fault_or_none(data)
        if fault is None:
            walker.walk()
        else:
            refused += 1
            assert fault.line, changed
            assert "too deep" not in fault.message, changed
    assert refused > len(examples(1500)) / 4


def fault_or_none(data):
    try:
        loads(data, "x")
    except ConfigError as problem:
        return problem.faults[0]
    return None


def cut(text, start, length):
    """A value from inside the text: the shortest balanced piece around ``start`` that is long enough, or all."""
    decoder = json.JSONDecoder()
    for at in range(start, -1, -1):
        if text[at] in "{[":
            try:
                _, end = decoder.raw_decode(text, at)
            except ValueError:
                continue
            if end - at >= length or at == 0:
                return text[at:end]
    return text


@given(VALUES.filter(lambda value: isinstance(value, (dict, list))), st.sampled_from([None, 1, "\t"]))
def test_every_pointer_is_found(value, indent):
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    walker = locate._Walker(text)
    walker.walk()
    decoder = json.JSONDecoder()
    pending = [("", value)]
    expected = set()
    while pending:
        pointer, part = pending.pop()
        expected.add(pointer)
        assert decoder.raw_decode(text, walker.places[pointer])[0] == part
        if isinstance(part, dict):
            pending += [(f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", part[name]) for name in part]
        elif isinstance(part, list):
            pending += [(f"{pointer}/{index}", item) for index, item in enumerate(part)]
    assert set(walker.places) == expected


def test_the_json_package_stands_in(monkeypatch):
    """Where an interpreter lacks the C halves under these names."""
    import _json

    monkeypatch.delattr(_json, "make_scanner")
    scan, encode, quote, quote_ascii, scanstring = jsontext._interface()
    assert scan('{"a": null, "b": [1.5]}', 0) == ({"b": [1.5]}, 23)
    with pytest.raises(ValueError, match="twice"):
        scan('{"a": 1, "a": 2}', 0)
    with pytest.raises(ValueError, match="NaN"):
        scan("NaN", 0)
    assert "".join(encode({"a": [1, None]}, 0)) == '{"a":[1,null]}'
    assert (quote("é"), quote_ascii("é")) == ('"é"', '"\\u00e9"')
    assert scanstring('"ab"', 1, True) == ("ab", 4)
