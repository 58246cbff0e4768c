"""The architecture, read from the imports: who may know whom."""

import ast
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "iscsictl"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 450

# From the bottom to the top: a package imports from its own level and from those below it.
LEVELS = (
    "errors", "model", "parse", "system", "planner", "checks", "observers", "engine", "output",
    "cli",
)  # fmt: skip
# What is forbidden although it lies below.
FORBIDDEN = {
    "planner": {"parse", "system"},
    "checks": {"parse", "system"},
    "output": {"parse", "system", "engine", "observers"},
    "cli": {"parse", "system"},
}
PURE = {"model", "parse", "planner", "checks"}
FOREIGN = {"click", "rich", "pexpect", "pyudev", "subprocess"}
# Who may import what is not of the standard library, and what starts processes.
OWNERS = {
    "click": {"cli"},
    "rich": {"output"},
    "pyudev": {"system"},
    "pexpect": {"system"},
}
STARTERS = {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp"}
# Calls of os.path that ask the file system; the others only work on the text.
READING = {
    "abspath", "exists", "expanduser", "getatime", "getctime", "getmtime", "getsize", "isdir",
    "isfile", "islink", "ismount", "lexists", "realpath", "samefile", "sameopenfile", "samestat",
}  # fmt: skip


def name_of(path: Path) -> str:
    """The dotted name of a module, without the package's own."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def layer_of(name: str) -> str:
    """The level that a module belongs to: its first folder."""
    return name.partition(".")[0]


def each_module(test: Callable[[Path], None]) -> Callable[[], None]:
    """Run a test on every module, and tell which one failed."""

    @functools.wraps(test)
    def on_all() -> None:
        failed = {}
        for path in MODULES:
            try:
                test(path)
            except AssertionError as error:
                failed[name_of(path)] = str(error).partition("\n")[0]
        assert failed == {}

    vars(on_all).pop("__wrapped__")  # pytest would ask for the parameter
    return on_all


NAMES = {name_of(path): path for path in MODULES}


def folder_of(name: str) -> str:
    """The folder of a module; that of a package is itself."""
    if NAMES[name].name == "__init__.py":
        return name
    return name.rpartition(".")[0] or name


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
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_import":
            yield ast.literal_eval(node.args[0])


def own_imports(path: Path) -> Iterator[str]:
    """The modules of iscsictl that a module imports."""
    for full in imports(path):
        first, _, name = full.partition(".")
        if first == "iscsictl" and (name in NAMES or name.rpartition(".")[0] in NAMES):
            yield name if name in NAMES else name.rpartition(".")[0]


def circles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return every set of names that reach each other (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = lowest[name] = len(index)
        stack.append(name)
        for other in edges.get(name, ()):
            if other not in index:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], index[other])
        if lowest[name] == index[name]:
            component = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(component) > 1:
                found.append(sorted(component))

    for name in list(edges):
        if name not in index:
            visit(name)
    return found


@each_module
def test_a_module_imports_only_from_its_level_and_below(path: Path) -> None:
    name = name_of(path)
    layer = layer_of(name)
    if layer not in LEVELS:  # the entry point, and the import of the old driver's files
        return
    for other in own_imports(path):
        above = layer_of(other)
        if above not in LEVELS:
            continue
        assert LEVELS.index(above) <= LEVELS.index(layer), f"{name} imports upwards: {other}"
        assert above not in FORBIDDEN.get(layer, ()), f"{name} must not know {other}"


@each_module
def test_a_library_is_known_to_one_package(path: Path) -> None:
    for full in imports(path):
        first = full.partition(".")[0]
        if first in OWNERS and layer_of(name_of(path)) != "legacy":
            assert layer_of(name_of(path)) in OWNERS[first], full


def test_no_files_import_each_other_in_a_circle() -> None:
    edges = {name: set(own_imports(path)) - {name} for name, path in NAMES.items()}
    assert circles(edges) == []


def test_no_folders_import_each_other_in_a_circle() -> None:
    edges = defaultdict(set)
    for name, path in NAMES.items():
        for other in own_imports(path):
            if folder_of(name) != folder_of(other):
                edges[folder_of(name)].add(folder_of(other))
    assert circles(edges) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


@each_module
def test_imports_inside_functions_are_only_in_the_command_tree(path: Path) -> None:
    if name_of(path) == "cli.main":
        return
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef):
            inner = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            assert not inner, f"line {inner[0].lineno}"


@each_module
def test_processes_start_in_one_module(path: Path) -> None:
    if name_of(path) == "system.io.process":
        return
    # It waits for a process that the other module has started.
    waits = {"subprocess"} if name_of(path) == "system.io.communicate" else set()
    libraries = {n.partition(".")[0] for n in imports(path)}
    assert not libraries & {"subprocess", "pexpect", "pty"} - waits
    for node in nodes(path):
        assert not (isinstance(node, ast.ImportFrom) and node.module == "subprocess")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            assert not (isinstance(owner, ast.Name) and owner.id == "subprocess"), "starts one"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            starts = node.attr in STARTERS or node.attr.startswith(("exec", "spawn"))
            assert not (node.value.id == "os" and starts), f"line {node.lineno}: os.{node.attr}"


@each_module
def test_a_pure_module_does_not_touch_the_machine(path: Path) -> None:
    if layer_of(name_of(path)) not in PURE:
        return
    firsts = {name.partition(".")[0] for name in imports(path)}
    assert not firsts & {*FOREIGN, "socket", "fcntl", "shutil", "tempfile", "signal"}
    for node in nodes(path):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"open", "print", "input"}, f"line {node.lineno}: {called}"
            assert not called.endswith((".read_bytes", ".read_text", ".write_text", ".mkdir"))
            first, _, last = called.rpartition(".")
            reads = first in {"os.path", "path"} and last in READING
            assert not reads, f"line {node.lineno}: {called} asks the file system"


@each_module
def test_a_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    assert ast.get_docstring(ast.parse(text))
