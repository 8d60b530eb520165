import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocipy.errors import OcipyError
from ocipy.install import json_text

KEYS = ("runtimes", "ocipy")
ENTRY = {"path": "/usr/local/bin/ocipy"}

SPREAD = '{\n    "runtimes": {\n        "ocipy": {\n            "path": "/usr/local/bin/ocipy"\n        }\n    }\n}'
LAYOUTS = {
    "": f"{SPREAD}\n",
    "{}": SPREAD,
    '{"a": 1}': '{"a": 1, "runtimes": {"ocipy": {"path": "/usr/local/bin/ocipy"}}}',
    '{ "a": 1 }\n': '{ "a": 1, "runtimes": {"ocipy": {"path": "/usr/local/bin/ocipy"}} }\n',
    '{\n\t"a": [1,\n2]\n}\n': (
        '{\n\t"a": [1,\n2],\n\t"runtimes": {\n\t\t"ocipy": {\n\t\t\t"path": "/usr/local/bin/ocipy"\n\t\t}\n\t}\n}\n'
    ),
    '{\n  "runtimes": {"x": {"path": "/x"}}\n}\n': (
        '{\n  "runtimes": {"x": {"path": "/x"}, "ocipy": {"path": "/usr/local/bin/ocipy"}}\n}\n'
    ),
    '{\r\n  "runtimes": {\r\n  }\r\n}\r\n': (
        '{\r\n  "runtimes": {\r\n    "ocipy": {\r\n      "path": "/usr/local/bin/ocipy"\r\n    }\r\n  }\r\n}\r\n'
    ),
}


@pytest.mark.parametrize("before", LAYOUTS)
def test_what_is_put_in_is_laid_out_as_the_rest(before):
    assert json_text.put(before, KEYS, ENTRY) == LAYOUTS[before]


def test_a_value_that_is_there_is_replaced_alone():
    before = '{"default-runtime" :"runc","log-level": "info"}'
    assert json_text.put(before, ("default-runtime",), "x") == '{"default-runtime" :"x","log-level": "info"}'


@pytest.mark.parametrize(
    ("text", "place"),
    [('{"runtimes": []}', "line 1, column 14"), ('{"a": 1,\n "runtimes": null}', "line 2, column 14")],
)
def test_something_else_on_the_way(text, place):
    with pytest.raises(OcipyError, match=f"{place}: runtimes is no object"):
        json_text.put(text, KEYS, ENTRY)


def test_faults_have_line_and_column():
    with pytest.raises(OcipyError, match="f.json: line 2, column 9: expected ',' or '}'"):
        json_text.parse('{\n "a": 1 "b": 2}', "f.json")
    with pytest.raises(OcipyError, match="f.json: line 1, column 1: expected an object"):
        json_text.parse("[]", "f.json")
    with pytest.raises(OcipyError, match="given twice"):
        json_text.parse('{"a": 1, "a": 2}', "f.json")


NAMES = st.text(min_size=1, max_size=5)
VALUES = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=4)
RUNTIMES = st.none() | st.dictionaries(NAMES, DOCUMENTS, max_size=3)
FORMS = st.fixed_dictionaries({
    "indent": st.none() | st.sampled_from([0, 1, 2, 4, "\t"]),
    "separators": st.sampled_from([None, (",", ":"), (" , ", " : ")]),
    "ensure_ascii": st.booleans(),
})  # fmt: skip


@settings(deadline=None)
@given(DOCUMENTS, RUNTIMES, FORMS, st.sampled_from(["", "\n", " \r\n"]))
def test_round_trip(document, runtimes, form, end):
    """The member and nothing else is put in, and taking it out gives the same bytes."""
    document.pop("runtimes", None)
    if runtimes is not None:
        document["runtimes"] = {name: value for name, value in runtimes.items() if name != "ocipy"}
    text = json.dumps(document, **form) + end
    added = json_text.put(text, KEYS, ENTRY)
    assert json.loads(added) == {**document, "runtimes": {**document.get("runtimes", {}), "ocipy": ENTRY}}
    removed = json_text.remove(added, KEYS if "runtimes" in document else KEYS[:1])
    assert json.loads(removed) == document
    if document.get("runtimes", document):  # of an empty object the blanks inside aren't known any more
        assert removed == text


@settings(deadline=None)
@given(DOCUMENTS.filter(bool), FORMS, st.data())
def test_removing_leaves_the_rest(document, form, data):
    name = data.draw(st.sampled_from(sorted(document)))
    removed = json_text.remove(json.dumps(document, **form), (name,))
    assert json.loads(removed) == {key: value for key, value in document.items() if key != name}
