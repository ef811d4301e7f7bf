"""The house rules that a program can check, as pure functions over paths and texts.

Each rule yields messages of one line, which say where, what, and what to do about it. A rule that
looks at one file takes its path and text; one that looks at the tree takes all of them. Paths are
relative to the project's root. Nothing here reads a disk; `test_tidy.py` does.
"""

import ast
import io
import posixpath
import re
import tokenize
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from pathlib import PurePosixPath

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
README_LINES_MAX = 25
FILE_BYTES_MAX = 600 * 1024

ENTRY_POINTS = frozenset({"glassplate.cli.main", "glassplate.django"}).union(
    f"volumes.map.{name}" for name in ("changes", "map_text", "votes")
)
"""Modules that are run, or only users import; `__main__.py` and main guards need no entry."""

MAY_PRINT = ("glassplate/cli/", "bench/", "examples/", "tests/")
"""What talks to a person at a terminal, and tests, which tell their seeds."""

FileRule = Callable[[str, str], Iterator[str]]

_DRAWERS = frozenset(
    {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "managers"}
)
# Both are written so that this file keeps its own rules.
_LEFT_OVER = re.compile(r"\b(TO" "DO|FIX" "ME|XX" "X|HA" r"CK)\b")  # noqa: ISC001 - see above
_MACHINE_PATH = re.compile(r"(?<![\w.})-])/(?:work|root|farm)/")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_TITLE = re.compile(r"^# +\S", re.MULTILINE)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'][^)]*)?\)")
_HAS_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|//")
_NAMED_FILE = re.compile(
    r"(?<![\w/.:{}<>*~$-])(?:\.?[A-Za-z_][\w-]*/)+[A-Za-z_.][\w.-]*"
    r"\.(?:py|sh|md|toml|ya?ml|j2)\b(?![/{<*])"
)
_SKIPPING = frozenset(
    {"skip", "skipif", "xfail", "importorskip", "skipIf", "skipUnless", "SkipTest"}
)
_SENTENCE = re.compile(r"\S.*?\.(\s|\Z)")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


_PLAIN_ENGLISH = tuple(
    (re.compile(pattern, re.IGNORECASE), instead)
    for pattern, instead in (
        (r'^\s*[rR]?"""(What|Whether|How|Who|Which|Where|Why)\b', "a noun phrase or an imperative"),
        (r'^\s*[rR]?"""(Have|Let) \b', "the verb itself"),
        (r"\bas (its|their) names? says?\b", "the condition"),
        (r"\bfor ever\b", "never expires; until stopped; permanently"),
        (r"\blets? go of\b|\blet go\b", "release, close, remove"),
        (r"\bwhat (became|becomes|comes|came) of\b|\bcame of\b", "result, outcome"),
        (r"\b(tells?|told) of\b|\btold\b", "lists, reports, received"),
        (r"\bsaid\b", "reported, returned"),
        (r"\b(nobody|somebody|whoever)\b", "the component's name"),
        (r"\bask(s|ed|ing)?\b", "request, query, enqueue"),
        (r"\b(is|are) to (be|have|go|do|take|keep|hold)\b", "must; will"),
        (r"\b(is|are|was) no (?!longer|more)[a-z]+", "is not a ..."),
        (r"\bthere (is|are) none\b", "or None; if there is no X"),
        (r"; there (is|are) ", "known Xs: ..."),
        (r"\b(cannot|could not|can) be asked\b", "is unreachable"),
        (r"\b(is|are|was|were|be) away\b", "is down; is unavailable"),
        (r"\bso many\b", "count, or the parameter's name"),
        (r"\banew\b|\bonce more\b|\bmade again\b", "again; recreate; regenerate"),
        (r"\bin vain\b|\bof no use\b|\bmakes? no sense\b", "failed; invalid"),
        (r"\bgo(es)? on\b|\bgoing on\b", "continues"),
        (r"\bset(s|ting)? (\w+ ){0,2}aside\b", "quarantine"),
        (
            r"\bbr(ing|ings|ought) (\w+ )?home\b|\bcomes? home\b|\bat home\b",
            "deliver; on its mirrors",
        ),
        (r"\b(owed?|owes|keepers?|stand-?ins?|lanes?)\b", "the glossary's word"),
        (r"\b(chill|thaw)(s|ed|ing)?\b", "offload, recall"),
        (
            r"\bbur(y|ies|ied|ying|ials?)\b|\badopt(s|ed|ions?)?\b",
            "write a tombstone; restore a digest",
        ),
        (r"\bnoted\b|\bnotes? (of|that|why|who)\b", "recorded"),
        (
            r"\b(hears?|heard|heeds?|heeded|believed?|betrays?|lies|vanish\w*|mends?)\b",
            "receives, honors, trusts, reveals, corrupts, disappears, fixes",
        ),
        (r"\b(walls?|strangers?'?)\b", "sandbox; untrusted"),
        (r"\bst(an|oo)ds? (still|for)\b", "stalls; represents"),
        (r"\b(ours|we)\b", "the cluster's; Glassplate"),
        (r", too\b", "also, before the verb"),
        (r"(?<=[.:;] )Of [a-z]", "the noun behind the verb"),
        (r"(?<=[.:;] )Who(ever)? ", "a caller that ..."),
        (r"\b(by|of|for|from|to) (which|whom)\b", "two sentences"),
        (r"\ball else\b|\bthe rest\b|; else\b|, else\b", "everything else; otherwise"),
        (r"\bthose (of|that)\b", "the noun"),
        (
            r"\bby hand\b|\bin the last run\b|\ban hour later\b|\bon another day\b",
            "a figure in docs/performance.md with its command",
        ),
        (
            r"\b(colour|grey|centre|behaviour|(normal|author|optim|recogn)is\w+|honoured|licence)\w*",
            "American spelling",
        ),
    )
)
_COMMENT_MARKS = ("#", "--", "//", "{#")
ALLOWED_LINES = frozenset(
    {
        # The Unix user.
        'command = ["memcached", "-l", HOST, "-p", str(port), *OPTIONS, "-u", "nobody"]',
    }
)
"""Lines, without indentation, whose words are right although the rule lists them."""


def short_modules(path: str, text: str) -> Iterator[str]:
    """Require that a module is short enough to be read in one go."""
    lines = len(text.splitlines())
    if lines > MODULE_LINES_MAX:
        yield (
            f"{path}: {lines} lines, and {MODULE_LINES_MAX} are the most; "
            "move one of its ideas into a module of its own"
        )


def short_functions(path: str, text: str) -> Iterator[str]:
    """Require that a function fits a screen."""
    for node in ast.walk(_parse(path, text)):
        if isinstance(node, _FUNCTIONS) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield (
                    f"{path}:{node.lineno}: {node.name} has {lines} lines, and "
                    f"{FUNCTION_LINES_MAX} are the most; keep its branches, and move a leaf out"
                )


def module_docstrings(path: str, text: str) -> Iterator[str]:
    """Require that a module opens with a sentence that says its idea."""
    docstring = ast.get_docstring(_parse(path, text))
    if docstring is None:
        yield f"{path}: no docstring; open it with one sentence that says what it is for"
        return
    first_paragraph = " ".join(docstring.partition("\n\n")[0].split())
    if not _SENTENCE.match(first_paragraph):
        yield f"{path}: its docstring's first sentence has no period; end it with one"


def names_that_say_something(path: str, text: str) -> Iterator[str]:
    """Require that a name says what the file or folder holds."""
    del text
    for part in PurePosixPath(path).parts:
        for word in _DRAWERS.intersection(part.partition(".")[0].lower().split("_")):
            yield f"{path}: {word!r} names a drawer; name it for what is in it"


def no_left_overs(path: str, text: str) -> Iterator[str]:
    """Refuse notes of unfinished work."""
    for number, line in enumerate(text.splitlines(), 1):
        for match in _LEFT_OVER.finditer(line):
            yield f"{path}:{number}: {match[0]}; do it, or take the note out"


def no_machine_paths(path: str, text: str) -> Iterator[str]:
    """Nothing points to a place on one particular machine."""
    for number, line in enumerate(text.splitlines(), 1):
        if _MACHINE_PATH.search(line):
            yield f"{path}:{number}: a path of one machine; make it relative, or an argument"


def no_skipped_tests(path: str, text: str) -> Iterator[str]:
    """Refuse tests that may be skipped: green would prove nothing."""
    for node in ast.walk(_parse(path, text)):
        if isinstance(node, ast.ImportFrom) and node.module in {"pytest", "unittest"}:
            found = [alias.name for alias in node.names if alias.name in _SKIPPING]
        elif isinstance(node, ast.Attribute) and node.attr in _SKIPPING:
            found = [node.attr] if _dotted(node).startswith(("pytest.", "unittest.")) else []
        else:
            continue
        for name in found:
            yield f"{path}:{node.lineno}: {name}; make the test run here, or take it out"


def tests_with_docstrings(path: str, text: str) -> Iterator[str]:
    """A test says its promise in a sentence."""
    for node in ast.walk(_parse(path, text)):
        if (
            isinstance(node, _FUNCTIONS)
            and node.name.startswith("test_")
            and ast.get_docstring(node) is None
        ):
            yield f"{path}:{node.lineno}: {node.name} has no docstring; say its promise in one"


def init_re_exports_only(path: str, text: str) -> Iterator[str]:
    """Require that a package's `__init__.py` only re-exports."""
    docstring, *rest = _parse(path, text).body or [ast.Pass()]
    body = rest if isinstance(docstring, ast.Expr) else [docstring, *rest]
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass) or _assigns_all(node):
            continue
        yield f"{path}:{node.lineno}: more than re-exports; move it into a module of its own"


def no_print(path: str, text: str) -> Iterator[str]:
    """Only what talks to a person at a terminal prints."""
    if path.startswith(MAY_PRINT):
        return
    for node in ast.walk(_parse(path, text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
        ):
            yield f"{path}:{node.lineno}: print; log it, return it, or move it to {MAY_PRINT[0]}"


def plain_english(path: str, text: str) -> Iterator[str]:
    """Require plain words in pages, in comments, and in the docstrings and strings of modules."""
    lines = text.splitlines()
    for number in sorted(_prose_lines(path, text)):
        line = lines[number - 1]
        if line.strip() in ALLOWED_LINES:
            continue
        for pattern, instead in _PLAIN_ENGLISH:
            for match in pattern.finditer(line):
                yield f"{path}:{number}: {match[0].strip()!r}; write instead: {instead}"


def one_title(path: str, text: str) -> Iterator[str]:
    """Require that a page has one title."""
    titles = len(_TITLE.findall(_FENCE.sub("", text)))
    if titles != 1:
        yield f"{path}: {titles} titles; give it exactly one line that begins with a single #"


def links_that_lead_somewhere(path: str, text: str, paths: Collection[str]) -> Iterator[str]:
    """Require that a relative link leads to a file or a folder of the project."""
    prose = _CODE_SPAN.sub("", _FENCE.sub("", text))
    for target in _LINK.findall(prose):
        file = target.partition("#")[0]
        if not file or _HAS_SCHEME.match(target):
            continue
        if not _exists(posixpath.join(posixpath.dirname(path), file), paths):
            yield f"{path}: the link to {target} leads nowhere; mend it, or take it out"


def named_files_exist(path: str, text: str, paths: Collection[str]) -> Iterator[str]:
    """Require that a file named in a page or a docstring exists.

    It may be named from the project's root or from the folder of the one who names it.
    """
    folder = posixpath.dirname(path)
    for name in dict.fromkeys(_NAMED_FILE.findall(_prose(path, text))):
        if not _exists(name, paths) and not _exists(posixpath.join(folder, name), paths):
            yield f"{path}: there is no {name}; name the file as it is called now"


def folders_with_readme(files: Mapping[str, str]) -> Iterator[str]:
    """Each package at the top says in a few lines what it knows and what it does not."""
    for package in sorted(top_level_packages(files)):
        readme = f"{package}/README.md"
        text = files.get(readme)
        if text is None:
            yield f"{readme}: missing; say what {package} knows, and what it does not know"
            continue
        lines = len(text.splitlines())
        if lines > README_LINES_MAX:
            yield f"{readme}: {lines} lines, and {README_LINES_MAX} are the most; make it shorter"
        words = " ".join(text.lower().split())
        for phrase in ("knows", "does not know"):
            if phrase not in words:
                yield f'{readme}: it lacks the words "{phrase}"; say what {package} {phrase}'


def modules_in_use(files: Mapping[str, str]) -> Iterator[str]:
    """Require that a module is an entry point, or imported by one that is not a test."""
    modules = {
        module_name(path): path for path in files if _is_source(path) and path.endswith(".py")
    }
    used = {
        mentioned
        for name, path in modules.items()
        for mentioned in _mentions(path, files[path])
        if mentioned != name
    }
    for name, path in modules.items():
        if path.endswith(("/__init__.py", "/__main__.py")) or name in ENTRY_POINTS:
            continue
        if name not in used and not _has_main_guard(path, files[path]):
            yield f"{path}: nothing imports it; use it, take it out, or list it in ENTRY_POINTS"


def small_files(path: str, size_bytes: int) -> Iterator[str]:
    """Refuse large files."""
    if size_bytes > FILE_BYTES_MAX:
        yield (
            f"{path}: {size_bytes:,} bytes, and {FILE_BYTES_MAX:,} are the most; "
            "make it when it is needed, or make it smaller"
        )


def top_level_packages(files: Collection[str]) -> set[str]:
    """Return the folders at the root that hold a package."""
    return {path.split("/")[0] for path in files if re.fullmatch(r"[a-z_]+/__init__\.py", path)}


def module_name(path: str) -> str:
    """Return the dotted name of a module.

    >>> module_name("volumes/photo_path.py")
    'volumes.photo_path'
    """
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def _parse(path: str, text: str) -> ast.Module:
    """Parse a module once for all rules; the error names a broken one."""
    return ast.parse(text, filename=path)


def _is_source(path: str) -> bool:
    return "/" in path and not path.startswith(("tests/", "docs/", "examples/", "."))


def _mentions(path: str, text: str) -> Iterator[str]:
    """Yield the modules that a module imports, or names in a string."""
    name = module_name(path)
    package = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
    for node in ast.walk(_parse(path, text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _dotted_prefixes(node.value)


def _dotted_prefixes(text: str) -> Iterator[str]:
    """Yield the module names in a text such as "imageworker.queue.jobs:make"."""
    if re.fullmatch(r"[a-z_]+(\.\w+)+(:\w+)?", text):
        parts = text.partition(":")[0].split(".")
        yield from (".".join(parts[:count]) for count in range(2, len(parts) + 1))


def _has_main_guard(path: str, text: str) -> bool:
    return any(
        isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        for node in _parse(path, text).body
    )


def _assigns_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [
        "__all__"
    ]


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""


def _prose(path: str, text: str) -> str:
    """Return the prose of a file: a page as a whole, the docstrings of a module."""
    if not path.endswith(".py"):
        return text
    documented = (ast.Module, ast.ClassDef, *_FUNCTIONS)
    nodes = (node for node in ast.walk(_parse(path, text)) if isinstance(node, documented))
    return "\n".join(filter(None, (ast.get_docstring(node) for node in nodes)))


def _prose_lines(path: str, text: str) -> set[int]:
    """Return the numbers of the lines that hold prose, from 1."""
    lines = text.splitlines()
    if path.endswith(".md"):
        return set(range(1, len(lines) + 1))
    if not path.endswith(".py"):
        return {n for n, line in enumerate(lines, 1) if line.lstrip().startswith(_COMMENT_MARKS)}
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in {tokenize.STRING, tokenize.COMMENT}:
            found.update(range(token.start[0], token.end[0] + 1))
    return found


def _exists(name: str, paths: Collection[str]) -> bool:
    """Whether this is a file of the project or a folder that has some."""
    normal = posixpath.normpath(name)
    return normal == "." or normal in paths or any(path.startswith(f"{normal}/") for path in paths)
