"""Every form an option may have on the command line, and every way to get it wrong."""

import pytest

from ocipy.errors import UsageError
from ocipy.options import Option, expect, help_text, parse

OPTIONS = (
    Option("bundle", "the bundle", "text", "DIR", short="b"),
    Option("detach", "don't wait", short="d"),
    Option("preserve-fds", "descriptors", "int", "N"),
    Option("env", "a variable", "list"),
)


@pytest.mark.parametrize(
    "argv",
    [["--bundle", "/x"], ["--bundle=/x"], ["-bundle", "/x"], ["-bundle=/x"], ["-b", "/x"], ["-b=/x"], ["--b", "/x"],
     ["-b", "/other", "--bundle", "/x"]],
)  # fmt: skip
def test_forms_of_a_value(argv):
    parsed = parse(OPTIONS, argv)
    assert (parsed.text("bundle"), parsed.arguments) == ("/x", [])


@pytest.mark.parametrize(
    ("value", "read"),
    [("", ""), ("a=b=c", "a=b=c"), ("-x", "-x"), ("--", "--"), ("ü", "ü")],
)
def test_a_value_is_taken_as_it_is(value, read):
    assert parse(OPTIONS, ["--bundle", value]).text("bundle") == read
    assert parse(OPTIONS, [f"--bundle={value}"]).text("bundle") == read


@pytest.mark.parametrize(
    ("argv", "on"),
    [(["--detach"], True), (["-d"], True), (["-detach"], True), (["--detach=true"], True), (["-d=1"], True),
     (["--detach=false"], False), (["--detach=F"], False), (["-d", "-d=0"], False), ([], False)],
)  # fmt: skip
def test_flags(argv, on):
    assert parse(OPTIONS, argv).flag("detach") is on


@pytest.mark.parametrize("value", ["true", "TRUE", "True", "t", "T", "1", "false", "FALSE", "False", "f", "F", "0"])
def test_words_for_yes_and_no(value):
    """Those of Go's strconv.ParseBool."""
    assert parse(OPTIONS, [f"--detach={value}"]).flag("detach") is (value[0] in "tT1")


def test_a_flag_takes_no_second_word():
    parsed = parse(OPTIONS, ["--detach", "false"])
    assert (parsed.flag("detach"), parsed.arguments) == (True, ["false"])


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("12", 12), ("-3", -3), ("007", 7)])
def test_whole_numbers(text, number):
    assert parse(OPTIONS, ["--preserve-fds", text]).integer("preserve-fds") == number


def test_lists_add_up():
    assert parse(OPTIONS, ["--env", "A=1", "--env=B=2"]).texts("env") == ["A=1", "B=2"]
    assert parse(OPTIONS, []).texts("env") == []


def test_what_was_not_given():
    parsed = parse(OPTIONS, [])
    assert (parsed.text("bundle"), parsed.integer("preserve-fds"), parsed.flag("detach")) == ("", None, False)
    assert parsed.flag("help") is False


def test_one_command_line_leaves_nothing_for_the_next():
    parse(OPTIONS, ["--env", "A=1", "-d"])
    assert parse(OPTIONS, []).texts("env") == []
    assert not parse(OPTIONS, []).flag("detach")


def test_options_and_arguments_in_any_order():
    parsed = parse(OPTIONS, ["id", "-d", "-", "--bundle", "/x", "last"])
    assert (parsed.arguments, parsed.text("bundle"), parsed.flag("detach")) == (["id", "-", "last"], "/x", True)


def test_the_first_argument_ends_the_options():
    parsed = parse(OPTIONS, ["-d", "id", "ls", "-l", "--", "x"], interspersed=False)
    assert (parsed.arguments, parsed.flag("detach")) == (["id", "ls", "-l", "--", "x"], True)


@pytest.mark.parametrize("interspersed", [True, False])
def test_two_dashes_end_the_options(interspersed):
    parsed = parse(OPTIONS, ["-d", "--", "-x", "--", "--bundle"], interspersed=interspersed)
    assert parsed.arguments == ["-x", "--", "--bundle"]


@pytest.mark.parametrize("word", ["-h", "--help", "-help"])
def test_help_is_everywhere(word):
    assert parse((), [word]).flag("help")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nope"], "unknown option --nope"),
        (["--nope=5"], "unknown option --nope"),
        (["-x"], "unknown option -x"),
        (["-b/x"], "unknown option -b/x"),
        (["---detach"], "unknown option ---detach"),
        (["--=x"], "unknown option --"),
        (["--Detach"], "unknown option --Detach"),
        (["--det"], "unknown option --det"),
        (["--bundle"], "option --bundle needs a value"),
        (["id", "-b"], "option --bundle needs a value"),
        (["--detach=maybe"], "option --detach is true or false, not 'maybe'"),
        (["--detach="], "option --detach is true or false, not ''"),
        (["--preserve-fds", "x"], "option --preserve-fds needs a whole number, not 'x'"),
        (["--preserve-fds="], "option --preserve-fds needs a whole number, not ''"),
        (["--preserve-fds", "-"], "option --preserve-fds needs a whole number, not '-'"),
        (["--preserve-fds", "--2"], "option --preserve-fds needs a whole number, not '--2'"),
        (["--preserve-fds", "1_0"], "option --preserve-fds needs a whole number, not '1_0'"),
        (["--preserve-fds", "1.0"], "option --preserve-fds needs a whole number, not '1.0'"),
        (["--preserve-fds", "²"], "option --preserve-fds needs a whole number, not '²'"),
        (["--preserve-fds", "9" * 5000], f"option --preserve-fds needs a whole number, not '{'9' * 5000}'"),
    ],
)
def test_errors(argv, message):
    with pytest.raises(UsageError) as caught:
        parse(OPTIONS, argv)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("count", "least", "most", "message"),
    [
        (1, 1, 1, None),
        (0, 0, 1, None),
        (2, 1, 2, None),
        (0, 1, 1, "needs 1 argument, got 0 (usage: ocipy x)"),
        (1, 0, 0, "needs 0 arguments, got 1 (usage: ocipy x)"),
        (3, 1, 2, "needs 1 to 2 arguments, got 3 (usage: ocipy x)"),
    ],
)
def test_counting_arguments(count, least, most, message):
    if message is None:
        expect(["a"] * count, least, most, "ocipy x")
        return
    with pytest.raises(UsageError) as caught:
        expect(["a"] * count, least, most, "ocipy x")
    assert str(caught.value) == message


def test_help_text():
    lines = help_text("ocipy x [options]", "do x", OPTIONS).splitlines()
    assert lines[:5] == ["usage: ocipy x [options]", "", "do x", "", "options:"]
    assert lines[5:] == [
        "  -b, --bundle DIR      the bundle",
        "  -d, --detach          don't wait",
        "      --preserve-fds N  descriptors",
        "      --env VALUE       a variable",
        "  -h, --help            show help",
    ]


@pytest.mark.parametrize(("argv", "value"), [([], None), (["--s"], True), (["--s=true"], True), (["-s=0"], False)])
def test_a_switch_can_be_seen_not_to_be_given(argv, value):
    assert parse((Option("s", "a switch", "switch"),), argv).switch("s") is value
