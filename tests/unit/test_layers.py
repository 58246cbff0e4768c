"""The architecture, read from the imports: who may know whom."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "iscsictl"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

# What each layer may import besides itself, `model` and `errors`.
MAY = {
    "errors": set[str](),
    "model": set[str](),
    "parse": set[str](),
    "core": set[str](),
    "system": {"parse"},
    "engine": {"core", "system", "parse"},
    "ui": {"core"},
    "cli": {"engine", "ui", "core", "system", "parse", "completion"},
    "completion": {"cli", "system", "parse", "core"},
    "__main__": {"cli", "completion"},
    "__init__": set[str](),
}
FOREIGN = {"click", "rich", "pexpect", "pyudev", "subprocess"}
# Who may import what is not of the standard library, and what starts processes.
OWNERS = {
    "click": {"cli", "completion"},
    "rich": {"ui"},
    "pyudev": {"system"},
    "pexpect": {"system"},
}
# What the thinking and the showing take from `parse`: an import of files reads them itself.
SHARED = {
    ("core.importing", "parse.iscsi_conf"),
    ("core.importing", "parse.old_fstab"),
    ("core.partitions", "parse.sfdisk"),
    ("core.spec", "parse.record"),
    ("ui.hostview", "parse.fw"),
}
STARTERS = {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp"}


def name_of(path: Path) -> str:
    """The dotted name of a module, without the package's."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts)


def layer_of(path: Path) -> str:
    """The layer that a module belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """The syntax tree of a module, flat."""
    return tuple(ast.walk(ast.parse(path.read_text())))


def imports(path: Path) -> Iterator[str]:
    """Every module that is imported, wherever in the file, with the names taken from it."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    layer = layer_of(path)
    for name in imports(path):
        first, _, rest = name.partition(".")
        if first == "iscsictl":
            other = rest.partition(".")[0]
            if (name_of(path), ".".join(rest.split(".")[:2])) in SHARED:
                continue
            everyones = {layer, "model", "errors", "lazyclass", "__version__"}
            assert other in everyones | MAY[layer], name
        elif first in OWNERS:
            assert layer in OWNERS[first], name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_processes_start_in_one_module(path: Path) -> None:
    if name_of(path) == "system.run":
        return
    assert not {n.partition(".")[0] for n in imports(path)} & {"subprocess", "pexpect", "pty"}
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            starts = node.attr in STARTERS or node.attr.startswith(("exec", "spawn"))
            assert not (node.value.id == "os" and starts), f"line {node.lineno}: os.{node.attr}"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if layer_of(p) in {"model", "parse", "core"}], ids=name_of
)
def test_the_thinking_touches_nothing(path: Path) -> None:
    firsts = {name.partition(".")[0] for name in imports(path)}
    assert not firsts & {*FOREIGN, "socket", "fcntl", "shutil", "tempfile", "signal"}
    for node in nodes(path):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"open", "print", "input"}, f"line {node.lineno}: {called}"
            assert not called.endswith((".read_bytes", ".read_text", ".write_text", ".mkdir"))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    assert ast.get_docstring(ast.parse(text))
