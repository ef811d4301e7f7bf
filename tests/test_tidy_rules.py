"""The house rules themselves: each finds what breaks it, and leaves alone what does not."""

import textwrap

import pytest

from tests import tidy_rules

GOOD_MODULE = '"""Does one thing."""\n'
PATHS = {"volumes/photo_path.py", "volumes/README.md", "docs/wire.md", "README.md", "Makefile"}


def found(rule, text, path="volumes/photo_path.py", **options):
    """Return the messages of a rule for a text."""
    return list(rule(path, textwrap.dedent(text), **options))


def test_long_module_is_found():
    """One line over the cap is too many."""
    at_cap = "x = 1\n" * tidy_rules.MODULE_LINES_MAX
    assert found(tidy_rules.short_modules, at_cap) == []
    (message,) = found(tidy_rules.short_modules, at_cap + "x = 1\n")
    assert message.startswith("volumes/photo_path.py: 401 lines")


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_long_function_is_found_with_its_line(keyword):
    """Functions and coroutines count from their first line to their last, wherever they stand."""
    longest = "    x = 1\n" * (tidy_rules.FUNCTION_LINES_MAX - 1)
    assert found(tidy_rules.short_functions, f"{keyword} f():\n{longest}") == []
    (message,) = found(tidy_rules.short_functions, f"\n{keyword} f():\n{longest}    x = 1\n")
    assert message.startswith("volumes/photo_path.py:2: f has 71 lines")


@pytest.mark.parametrize(
    "docstring",
    [
        "Does one thing.",
        "Does one thing. And says more:",
        "Does one thing\nover two lines.\n\nMore",
        "Names `a.b` and 1.5 of it. More",
    ],
)
def test_module_that_opens_with_a_sentence_is_left_alone(docstring):
    """The first sentence may go over two lines, and more may follow it."""
    assert found(tidy_rules.module_docstrings, f'"""{docstring}"""\n') == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no docstring"),
        ("x = 1\n", "no docstring"),
        ('"""Does one thing"""\n', "no period"),
        ('"""Does one thing\n\nand another."""\n', "no period"),
        ('"""Names a.b and 1.5"""\n', "no period"),
    ],
)
def test_module_that_does_not_is_found(text, words):
    """A missing docstring and a first sentence without an end are found."""
    (message,) = found(tidy_rules.module_docstrings, text)
    assert words in message


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("volumes/utils.py", "utils"),
        ("tests/helpers/clock.py", "helpers"),
        ("volumes/volume_manager.py", "manager"),
        ("tests/volumes/test_common.py", "common"),
        ("docs/misc.md", "misc"),
    ],
)
def test_name_of_a_drawer_is_found(path, word):
    """Files and folders are looked at word by word, whatever they hold."""
    (message,) = found(tidy_rules.names_that_say_something, "", path)
    assert message.startswith(f"{path}: {word!r}")


@pytest.mark.parametrize("path", ["volumes/database.py", "base32/base64_names.py", "README.md"])
def test_name_that_only_sounds_like_a_drawer_is_left_alone(path):
    """A banned word inside another word bans nothing."""
    assert found(tidy_rules.names_that_say_something, "", path) == []


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"])
def test_left_over_note_is_found(word):
    """Any of the four words is found in any text, with its line."""
    (message,) = found(tidy_rules.no_left_overs, f"x\n# {word}: later\n", "docs/wire.md")
    assert message.startswith(f"docs/wire.md:2: {word}")


def test_words_that_hold_a_note_are_left_alone():
    """Names of temporary files and words in prose are no notes."""
    assert found(tidy_rules.no_left_overs, "mktemp a.XXXXXX\nto do\nhack\nTODOS\n") == []


@pytest.mark.parametrize("folder", ["work", "root", "farm"])
def test_path_of_one_machine_is_found(folder):
    """Absolute paths of the machine it was written on are found, quoted or bare."""
    for text in (f"cd /{folder}/x", f'"/{folder}/x"', f"file:///{folder}/x"):
        assert len(found(tidy_rules.no_machine_paths, text)) == 1, text


def test_path_that_has_such_a_folder_in_it_is_left_alone():
    """Relative paths, and folders below a variable, are no places of one machine."""
    text = "net/work/x {base}/root/x ../work/x $(dir)/root/ /workers/ /root"
    assert found(tidy_rules.no_machine_paths, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "pytest.skip('no nginx')",
        "pytest.importorskip('numpy')",
        "@pytest.mark.skipif(True, reason='')\ndef test_x(): ...",
        "pytestmark = pytest.mark.xfail",
        "pytest.xfail('')",
        "from pytest import importorskip",
        "@unittest.skipUnless(x, '')\nclass T: ...",
    ],
)
def test_test_that_may_not_run_is_found(text):
    """Every way to skip a test, or to let it fail, is found."""
    assert len(found(tidy_rules.no_skipped_tests, text)) == 1


def test_other_things_called_skip_are_left_alone():
    """Only the test runner's own words count."""
    text = "reader.skip(4)\nitertools.islice(x, 1)\n'pytest.skip'\nskip = 1\n"
    assert found(tidy_rules.no_skipped_tests, text) == []


def test_test_without_docstring_is_found():
    """Functions, coroutines and methods named as tests need one, and no other function does."""
    text = '''
        def test_a(): ...
        async def test_b(): ...
        class TestC:
            def test_c(self): ...
        def test_d():
            """Says it."""
        def helper(): ...
    '''
    messages = found(tidy_rules.tests_with_docstrings, text)
    assert [message.split()[1] for message in messages] == ["test_a", "test_b", "test_c"]


def test_init_with_code_in_it_is_found():
    """Anything but a docstring, imports and `__all__` is code."""
    text = '"""A."""\nfrom a import b as b\n__all__ = ["b"]\nx = 1\ndef f(): ...\n'
    messages = found(tidy_rules.init_re_exports_only, text, "a/__init__.py")
    assert [message.split(":")[1] for message in messages] == ["4", "5"]
    for harmless in ("", '"""A."""\n', "from a import b\n"):
        assert found(tidy_rules.init_re_exports_only, harmless) == []


def test_print_is_found_outside_of_what_talks_to_people():
    """Only calls of the built-in count, and the command line may print."""
    text = "print(1)\nconsole.print(2)\n'print(3)'\n"
    (message,) = found(tidy_rules.no_print, text)
    assert message.startswith("volumes/photo_path.py:1: print")
    for path in (
        "glassplate/cli/commands/up.py",
        "bench/edge.py",
        "examples/upload.py",
        "tests/test_a.py",
    ):
        assert found(tidy_rules.no_print, text, path) == []


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("", 0),
        ("## Only a section\n", 0),
        ("#hashtag\n", 0),
        ("# One\n\n# Two\n", 2),
        ("```\n# comment\n```\n", 0),
    ],
)
def test_page_without_exactly_one_title_is_found(text, titles):
    """Comments in code are no titles, and sections are none either."""
    (message,) = found(tidy_rules.one_title, text, "docs/wire.md")
    assert f": {titles} titles;" in message


def test_page_with_one_title_is_left_alone():
    """Comments in code beside the title do not count."""
    text = "# One\n\n## Section\n\n```sh\n# comment\n```\n\n    # indented code\n"
    assert found(tidy_rules.one_title, text, "docs/wire.md") == []


@pytest.mark.parametrize(
    "link",
    [
        "wire.md",
        "wire.md#section",
        "../README.md",
        "../volumes/",
        "../volumes",
        "..",
        "#section",
        "https://example.org/x.md",
        "mailto:a@example.org",
        '<wire.md> "with a title"',
    ],
)
def test_link_that_leads_somewhere_is_left_alone(link):
    """Files, folders, sections and other sites are reached from the page's own folder."""
    rule = tidy_rules.links_that_lead_somewhere
    assert found(rule, f"see [it]({link})", "docs/wire.md", paths=PATHS) == []


@pytest.mark.parametrize("link", ["gone.md", "README.md", "../gone/", "wire.md/x", "photo.png"])
def test_link_that_leads_nowhere_is_found(link):
    """Pages and pictures that are not there are found; code that looks like a link is not."""
    rule = tidy_rules.links_that_lead_somewhere
    (message,) = found(rule, f"![it]({link})", "docs/wire.md", paths=PATHS)
    assert f"the link to {link} leads nowhere" in message
    for code in (f"`[it]({link})`", f"```\n[it]({link})\n```\n"):
        assert found(rule, code, "docs/wire.md", paths=PATHS) == []


def test_named_file_that_is_gone_is_found():
    """Each is told once, wherever in a page it is named."""
    text = "`volumes/old.py` and volumes/old.py:12, but `volumes/photo_path.py` is there."
    (message,) = found(tidy_rules.named_files_exist, text, "docs/wire.md", paths=PATHS)
    assert message.startswith("docs/wire.md: there is no volumes/old.py;")


@pytest.mark.parametrize(
    "text",
    [
        "`volumes/photo_path.py`, docs/wire.md.",
        "https://example.org/a/b.py",
        "{volume}/{shard}/{photo}_{size}.py and <name>/x.py and tests/*/x.py",
        "config/$NAME.toml is yours to name",
        "and/or.",
        "$HOME/bin/run.sh or ~/x/y.sh",
    ],
)
def test_other_words_with_slashes_are_left_alone(text):
    """Addresses, placeholders and patterns name no file of the project."""
    assert found(tidy_rules.named_files_exist, text, "docs/wire.md", paths=PATHS) == []


def test_named_file_may_be_relative_to_the_one_who_names_it():
    """A page in a folder may name a file below that folder."""
    rule = tidy_rules.named_files_exist
    assert found(rule, "`docs/wire.md`", "README.md", paths=PATHS) == []
    assert found(rule, "`deep/x.py`", "volumes/README.md", paths={"volumes/deep/x.py"}) == []


def test_module_names_files_in_its_docstrings_only():
    """A path in code is a value, and a path in a docstring is a promise."""
    text = '''
        """Reads what volumes/gone.py wrote."""
        X = "volumes/value.py"
        def f():
            """Like volumes/lost.py."""
    '''
    messages = found(tidy_rules.named_files_exist, text, paths=PATHS)
    assert [message.split()[4].rstrip(";") for message in messages] == [
        "volumes/gone.py",
        "volumes/lost.py",
    ]


def test_package_without_a_good_readme_is_found():
    """It is missing, too long, or lacks what makes it worth reading."""
    good = "# a\n\nKnows much.\n\nDoes not\nknow little.\n"
    files = {
        "good/__init__.py": "",
        "good/README.md": good,
        "good/inner/__init__.py": "",
        "missing/__init__.py": "",
        "long/__init__.py": "",
        "long/README.md": good + "more\n" * 25,
        "vague/__init__.py": "",
        "vague/README.md": "# vague\n\nKnows much.\n",
        "docs/README.md": "",
    }
    messages = list(tidy_rules.folders_with_readme(files))
    assert [message.partition(";")[0] for message in messages] == [
        "long/README.md: 31 lines, and 25 are the most",
        "missing/README.md: missing",
        'vague/README.md: it lacks the words "does not know"',
    ]


def test_module_that_nothing_imports_is_found():
    """Its own tests are no reason to keep a module."""
    files = {
        "a/__init__.py": "from a.shown import x as x",
        "a/__main__.py": "import a.run",
        "a/shown.py": "x = 1",
        "a/run.py": "from . import sibling\nfrom .inner import deep",
        "a/sibling.py": "",
        "a/inner/__init__.py": "",
        "a/inner/deep.py": "from .. import upper\nfrom ..cousin import y",
        "a/upper.py": "",
        "a/cousin.py": "JOB = 'a.jobs.make'\nLAZY = 'a.lazy:main'\n",
        "a/jobs.py": "",
        "a/lazy.py": "",
        "a/script.py": "if __name__ == '__main__':\n    main()\n",
        "a/alone.py": "import a.alone",
        "a/tested.py": "",
        "tests/a/test_tested.py": "import a.tested",
        "glassplate/cli/main.py": "",
        "setup.py": "",
    }
    messages = list(tidy_rules.modules_in_use(files))
    assert [message.partition(":")[0] for message in messages] == ["a/alone.py", "a/tested.py"]


def test_heavy_file_is_found():
    """Exactly the cap is still light enough."""
    assert list(tidy_rules.small_files("a.jpg", 614_400)) == []
    (message,) = tidy_rules.small_files("a.jpg", 614_401)
    assert message.startswith("a.jpg: 614,401 bytes")


def test_broken_module_is_named():
    """A module that is no Python says which file it is."""
    with pytest.raises(SyntaxError) as caught:
        found(tidy_rules.short_functions, "def (:\n")
    assert caught.value.filename == "volumes/photo_path.py"


def test_every_message_says_what_to_do():
    """A message has a place, a finding and, behind a semicolon, what to do about it."""
    messages = [
        *found(tidy_rules.module_docstrings, ""),
        *found(tidy_rules.no_left_overs, "TO" + "DO"),
        *found(tidy_rules.no_print, "print()"),
        *found(tidy_rules.one_title, "", "a.md"),
        *found(tidy_rules.links_that_lead_somewhere, "[a](b)", "a.md", paths=PATHS),
        *found(tidy_rules.tests_with_docstrings, "def test_a(): ..."),
        *found(tidy_rules.names_that_say_something, "", "a/utils.py"),
        *tidy_rules.modules_in_use({"a/b.py": GOOD_MODULE}),
        *tidy_rules.small_files("a.jpg", 10**6),
    ]
    assert len(messages) == 9
    assert all("; " in message and ": " in message for message in messages)


@pytest.mark.parametrize(
    "text",
    [
        '"""Whether it is there."""\n',
        "x = 1  # nobody reads this\n",
        'raise ValueError("the colour makes no sense")\n',
        'x = f"{name} is away"\n',
        '"""Returns.\n\nWhat came of it is told.\n"""\n',
    ],
)
def test_word_of_the_list_is_found_in_prose(text):
    """Docstrings, comments, and strings of a module are prose."""
    assert found(tidy_rules.plain_english, text)


@pytest.mark.parametrize(
    "text",
    [
        '"""Return True if it exists."""\n',
        "told = asked(said)\n",
        "class Away: ...\n",
        'raise ValueError("the color is invalid")\n',
    ],
)
def test_plain_words_and_names_are_left_alone(text):
    """Names in code are not prose, and plain words pass."""
    assert found(tidy_rules.plain_english, text) == []


def test_a_page_is_prose_as_a_whole():
    """Each line of a page is looked at."""
    (message,) = found(tidy_rules.plain_english, "# Title\n\nIt lasts for ever.\n", "docs/wire.md")
    assert message.startswith("docs/wire.md:3: 'for ever'")
