"""The documents say what is so: names, links, exit codes, command lines, man pages."""

import ast
import importlib
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from iscsictl.cli.main import cli
from iscsictl.errors import Exit
from iscsictl.model.listing import Listing
from iscsictl.model.schedule import CRON, DROP_INS, SERVICE, TIMER
from iscsictl.model.session_diff import Change
from iscsictl.output.views.ls_json import listing_json
from iscsictl.system.mount import udev_rule
from tests.patience import PATIENCE
from tools import man_pages

ROOT = Path(__file__).parents[2]
MAN = ROOT / "docs" / "man"
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "newsfragments").glob("*.md"),
     ROOT / "tests/lab/README.md"]
)  # fmt: skip

FORMS = [path for path in sorted((ROOT / ".github").rglob("*.*")) if path.name != "config.yml"]


@click.group("iscsictl")
def sample() -> None:
    """Stand for the real tree: words that roff would take for its own.

    .SH is text, 'so is this', C:\\new and ~/x^2 - `y`.
    """


@sample.command("login")
@click.option("-T", "--target", "targets", metavar="IQN", multiple=True, help="Which one.")
@click.option("--lun", type=click.IntRange(0, 9), required=True, help="Which LUN.")
@click.option("--secret", hidden=True)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), help="How.")
@click.argument("what", nargs=-1)
def login(**_: object) -> None:
    """Log in.

    \b
    one  line
    and another
    """


@sample.group("chap")
def chap() -> None:
    """Judge accounts."""


@chap.command("show")
@click.argument("file")
def show(**_: object) -> None:
    """Show one."""


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return man_pages.pages(sample, {"First": ["login"], "Second": ["chap"]})


def rendered(page: str) -> str:
    """What a reader sees of a page, in one line; groff must have nothing to say."""
    done = subprocess.run(
        ["groff", "-man", "-Kutf8", "-Tascii", "-P-cbou", "-ww"],
        input=page, capture_output=True, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return " ".join(done.stdout.split())


def test_there_is_a_page_for_each_command_and_family(made: dict[str, str]) -> None:
    assert set(made) == {"iscsictl.1", "iscsictl-login.1", "iscsictl-chap.1"}


def test_a_page_shows_how_a_command_is_called(made: dict[str, str]) -> None:
    page = rendered(made["iscsictl-login.1"])
    assert "SYNOPSIS iscsictl login [OPTIONS] --lun N [WHAT...] EXAMPLES iscsictl login iqn" in page
    assert "OPTIONS -T, --target IQN Which one. May be given several times. --lun N" in page
    assert "COMMON OPTIONS -o, --output table|json How. " in page
    assert "--secret" not in page
    assert "iscsictl chap show [OPTIONS] FILE" in rendered(made["iscsictl-chap.1"])


def test_lines_that_shall_stay_lines_do(made: dict[str, str]) -> None:
    assert ".nf\none  line\nand another\n.fi\n" in made["iscsictl-login.1"]


def test_what_roff_would_take_for_its_own_is_printed_as_it_is(made: dict[str, str]) -> None:
    page = rendered(made["iscsictl.1"])
    assert r".SH is text, 'so is this', C:\new and ~/x^2 - `y`." in page


def test_every_exit_code_has_its_meaning_in_the_pages_and_the_readme(made: dict[str, str]) -> None:
    assert list(man_pages.EXIT_TEXTS) == list(Exit)
    page = rendered(made["iscsictl-login.1"])
    for code, text in man_pages.EXIT_TEXTS.items():
        assert f"| {int(code)} | {text} |\n" in README
        assert f" {int(code)} {text} " in page


def test_the_pages_that_are_checked_in_are_those_of_the_tree(tmp_path: Path) -> None:
    # In a process of its own: Click keeps the help option of the first context that asks.
    command = [sys.executable, "-m", "tools.man_pages", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT)
    assert {path.name for path in MAN.iterdir()} == {path.name for path in tmp_path.iterdir()}
    stale = [p.name for p in tmp_path.iterdir() if (MAN / p.name).read_text() != p.read_text()]
    assert not stale, "run `make generated`"


def test_the_pages_that_are_checked_in_render_without_a_warning() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Kutf8", "-Tutf8", "-ww", "-z", *map(str, sorted(MAN.iterdir()))],
        capture_output=True, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    assert done.stderr == ""


def test_everything_that_the_architecture_page_names_is_there() -> None:
    named = re.findall(r"`((?:iscsictl|tests)/[\w/.]*)`", ARCHITECTURE)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []
    for name, attribute in re.findall(r"`([A-Z]\w+)\.(\w+)`", ARCHITECTURE):
        source = (ROOT / "iscsictl/model" / f"{name.lower()}.py").read_text()
        assert f"def {attribute}(" in source


def test_every_package_is_on_the_architecture_page() -> None:
    packages = {path.parent for path in (ROOT / "iscsictl").rglob("__init__.py")}
    packages |= {ROOT / "iscsictl/data"} - {ROOT / "iscsictl"}
    rows = {f"| `{path.relative_to(ROOT)}/` |" for path in packages if path != ROOT / "iscsictl"}
    assert {row for row in rows if row not in ARCHITECTURE} == set()


def imports_of(path: str) -> set[str]:
    """Return the files that a module imports from the package, also late or by a re-export."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        names: tuple[str, ...] = ()
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_import":
            names = (ast.literal_eval(node.args[0]),)
        for name in names:
            base = name.replace(".", "/")
            files = {f"{base}.py", f"{base}/__init__.py"}
            found |= {file for file in files if (ROOT / file).is_file()}
    packages = {file for file in found if file.endswith("__init__.py")} - {path}
    return found.union(*map(imports_of, packages))


@pytest.mark.parametrize("title", ["CHAP secret", "WWID", "`reconnect`", "`ls`", "`attach`"])
def test_a_path_through_the_code_is_short_and_hangs_together(title: str) -> None:
    section = re.search(rf"^### An? {title}\n(.+?)^##", ARCHITECTURE, re.MULTILINE | re.DOTALL)
    assert section is not None
    path = re.findall(r"^\d+\. `(iscsictl/[\w/]+\.py)`", section[1], re.MULTILINE)
    assert 5 <= len(path) <= 10
    assert len(set(path)) == len(path)
    for place, module in enumerate(path[1:], 1):
        linked = [one for one in path[:place]
                  if module in imports_of(one) or one in imports_of(module)]  # fmt: skip
        assert linked, f"nothing before {module} on this path imports it, or is imported by it"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        assert re.match(r"https?://", link) or (path.parent / link).exists(), link


def lines_of(document: str) -> list[list[str]]:
    """The words of each `iscsictl ...` that stands in a document, up to a pipe."""
    found = re.findall(r"^\# (iscsictl [^|\n]+)", document, re.MULTILINE)
    found += re.findall(r"`(iscsictl [^`\n]+)`", document)
    return [shlex.split(line) for line in found]


def command_of(words: list[str]) -> click.Command:
    command: click.Command = cli
    for word in words[1:]:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        found = command.get_command(click.Context(command), word)
        assert found is not None, " ".join(words)
        command = found
    return command


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_command_lines_of_the_documents_exist(path: Path) -> None:
    for words in lines_of(path.read_text()):
        command = command_of(words)
        parameters = command.get_params(click.Context(command, **cli.context_settings))
        known = {name for one in parameters for name in (*one.opts, *one.secondary_opts)}
        given = {word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)}
        assert given <= known, f"{' '.join(words)}: {sorted(given - known)}"


def test_the_readme_says_in_bold_where_two_hosts_are_not_kept_apart() -> None:
    bold = re.search(r"\*\*(Two hosts that attach one blank LUN[^*]+)\*\*", README)
    assert bold is not None
    assert "where the LUN has no reservations they are NOT" in bold[1]


def test_a_news_fragment_is_named_by_a_type_of_the_change_log() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    types = "|".join(one["directory"] for one in settings["type"])
    for path in (ROOT / settings["directory"]).iterdir():
        named = re.fullmatch(rf"(\d+|\+[a-z0-9-]+)\.({types})\.md", path.name)
        assert named or path.name == "README.md", path.name
        assert path.read_text().strip(), path.name


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_asks_for_a_diagnosis_and_warns_of_secrets(path: Path) -> None:
    text = path.read_text()
    assert "`iscsictl doctor -J`" in text
    assert "leave secrets out" in text.lower()


def test_the_files_that_iscsictl_makes_are_in_its_page() -> None:
    named = " ".join(man_pages.FILES)
    assert [
        path
        for path in (
            CRON,
            SERVICE,
            TIMER,
            *DROP_INS,
            str(udev_rule.path_of()),
            "/etc/multipath/conf.d/iscsictl.conf",
        )
        if path not in named
    ] == []


def test_each_variable_that_the_package_reads_is_in_the_page() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "iscsictl").rglob("*.py"))
    read = set(re.findall(r'os\.environ(?:\.get\(|\[)"(\w+)"', sources))
    assert len(read) > 3
    assert read <= set(man_pages.ENVIRONMENT)


def documents_of_the_code() -> Iterator[tuple[str, frozenset[str]]]:
    """The schema of each document that the code makes, with its other keys."""
    listing = json.loads(listing_json(Listing()))
    yield listing.pop("schema"), frozenset(listing)
    for path in (ROOT / "iscsictl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Dict):
                continue
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            if "schema" not in keys:
                continue
            value = node.values[keys.index("schema")]
            if isinstance(value, ast.Name):
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                schema = getattr(importlib.import_module(module), value.id)
            else:
                schema = ast.literal_eval(value)
            known = {str(key) for key in keys} - {"schema"}
            if None in node.keys:  # a whole Change is put into it
                assert schema == "iscsictl.watch/1"
                known |= set(Change.__annotations__)
            yield schema, frozenset(known)


def test_every_json_document_is_on_its_page_with_its_keys() -> None:
    rows = re.findall(
        r"^\| (?:`(iscsictl\.[a-z-]+/\d)`)? ?\| [^|]+ \| ([^|]+) \|$",
        (ROOT / "docs" / "json.md").read_text(), re.MULTILINE,
    )  # fmt: skip
    told, schema = set(), ""
    for name, keys in rows:
        schema = name or schema
        told.add((schema, frozenset(re.findall(r"`([a-z_]+)(?:\[\]|\{\})?`", keys))))
    assert told == set(documents_of_the_code())


#: Rows whose text is composed of several pieces, or that extend another row.
COMPOSED = {
    "ls `sessions[]`", "its `luns[]`", "ls `disks[]`", "disk `disks[]`", "export `volume[]`",
    "iface `ifaces[]`",
}  # fmt: skip


def keys_of_dictionaries() -> set[frozenset[str]]:
    """The keys of each dictionary that the package writes out in full."""
    nodes = (node for path in (ROOT / "iscsictl").rglob("*.py")
             for node in ast.walk(ast.parse(path.read_text())))  # fmt: skip
    return {
        frozenset(str(key.value) for key in node.keys if isinstance(key, ast.Constant))
        for node in nodes
        if isinstance(node, ast.Dict)
    }


def test_every_row_of_a_json_document_is_on_its_page_with_its_keys() -> None:
    table = (ROOT / "docs" / "json.md").read_text().partition("| rows | keys |\n")[2]
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE))
    assert len(rows) > 25
    assert set(rows) >= COMPOSED
    made = keys_of_dictionaries()
    # Behind a semicolon stand the keys that a row has only sometimes.
    told = {name: frozenset(re.findall(r"`([a-z_0-9]+)(?:\[\]|\{\})?`", keys.partition(";")[0]))
            for name, keys in rows.items()}  # fmt: skip
    assert {name: sorted(keys) for name, keys in told.items()
            if name not in COMPOSED and keys not in made} == {}  # fmt: skip
