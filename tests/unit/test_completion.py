"""TAB in real shells: static words from the tree, live names from the machine's files."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from iscsictl.cli.commands.completion import completion
from iscsictl.cli.completions.generate import FILES, script
from iscsictl.cli.completions.tree import walk
from iscsictl.cli.main import cli
from tests.patience import PATIENCE
from tests.unit.shells import (
    OTHER,
    TARGETS,
    bash_candidates,
    bash_line,
    bash_offers,
    environment,
    fish_candidates,
    fish_line,
    make_machine,
    zsh_line,
)

ROOT = Path(__file__).parents[2]


@click.group("iscsictl")
def sample() -> None:
    """Stand for the real tree: one command of each sort."""


@sample.command("login")
@click.option("-T", "--target")
@click.option("-p", "--portal")
@click.option("-I", "--interface")
@click.option("--all", "everything", is_flag=True, help="It's all of them.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "tsv"]))
def login(**_: object) -> None:
    """Log in to targets, that's all."""


@sample.command("detach")
@click.argument("name")
@click.option("--mount", metavar="DIR")
@click.option("--secret", hidden=True)
def detach(**_: object) -> None:
    """Let go."""


@sample.command("rescan")
@click.argument("target", nargs=-1)
def rescan(**_: object) -> None:
    """Look again."""


@sample.command("startup")
@click.argument("target")
@click.argument("when", type=click.Choice(["automatic", "manual"]))
def startup(**_: object) -> None:
    """Say when."""


@sample.group("fstab")
def fstab() -> None:
    """Keep lines."""


@fstab.command("rm")
@click.argument("name")
def rm(**_: object) -> None:
    """Take a line out."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("machine")
    make_machine(root)
    return root


@pytest.fixture(autouse=True)
def _scripts(tmp_path: Path) -> None:
    for shell, name in FILES.items():
        (tmp_path / name).write_text(script(shell, sample))


def test_the_walk_sees_commands_options_and_kinds() -> None:
    nodes = {node.path: node for node in walk(sample)}
    assert list(nodes) == ["", "detach", "fstab", "fstab rm", "login", "rescan", "startup"]
    kinds = {option.names[-1]: option.values for option in nodes["login"].options}
    assert kinds["--target"] == ("target",)
    assert kinds["--all"] is None
    assert kinds["--output"] == ("@table", "@json", "@tsv")
    assert nodes["detach"].arguments == (("target", "device", "mount", "dir"),)
    assert nodes["startup"].arguments == (("target",), ("@automatic", "@manual"))
    assert nodes["rescan"].repeats
    assert not any("--secret" in option.names for option in nodes["detach"].options)


ALL = sorted([*TARGETS, OTHER])
# What is typed, what is offered, in shells that do not break words at colons.
OFFERS = [
    ("iscsictl ", ["detach", "fstab", "login", "rescan", "startup"]),
    ("iscsictl lo", ["login"]),
    ("iscsictl fstab ", ["rm"]),
    ("iscsictl login -o ", ["json", "table", "tsv"]),
    ("iscsictl login --all -T ", ALL),
    ("iscsictl login -T iqn.2001-04.com.example:disk.t", [TARGETS[1]]),
    ("iscsictl login --target iqn.2010", [OTHER]),
    ("iscsictl login -p ", ["192.0.2.5:3260", "[2001:db8::5]:860"]),
    ("iscsictl login -p [2001:d", ["[2001:db8::5]:860"]),
    ("iscsictl login -I ", ["default", "iser", "san0"]),
    ("iscsictl startup x ", ["automatic", "manual"]),
    ("iscsictl rescan a b iqn.2010", [OTHER]),
    ("iscsictl fstab rm /srv/o", ["/srv/other"]),
    ("iscsictl detach /dev/sd", ["/dev/sdq"]),
]


@pytest.mark.parametrize(("typed", "offered"), OFFERS)
def test_bash_offers_what_fits(
    machine: Path, tmp_path: Path, typed: str, offered: list[str]
) -> None:
    got = bash_candidates(machine, tmp_path, typed, breaks="")
    assert [word for word in got if "." not in word or word in offered] == offered or got == offered


@pytest.mark.parametrize(("typed", "offered"), OFFERS)
def test_fish_offers_what_fits(
    machine: Path, tmp_path: Path, typed: str, offered: list[str]
) -> None:
    assert set(offered) <= set(fish_candidates(machine, tmp_path, typed))
    if typed.endswith(" "):
        assert fish_candidates(machine, tmp_path, typed) == offered


def test_bash_offers_only_what_follows_the_last_colon(machine: Path, tmp_path: Path) -> None:
    typed = "iscsictl login -T iqn.2001-04.com.example:"
    assert bash_candidates(machine, tmp_path, typed) == ["disk.one", "disk.two"]
    typed = "iscsictl login --target=iqn.2010-01.org.example:storage:"
    assert bash_candidates(machine, tmp_path, typed) == ["mail"]


def test_bash_offers_the_portals_of_the_target_that_stands_on_the_line(
    machine: Path, tmp_path: Path
) -> None:
    typed = f"iscsictl login -T {TARGETS[1]} -p "
    assert bash_candidates(machine, tmp_path, typed) == ["192.0.2.5:3260"]


def test_bash_offers_mount_points_and_options(machine: Path, tmp_path: Path) -> None:
    offered = bash_candidates(machine, tmp_path, "iscsictl login --")
    assert offered == ["--all", "--help", "--interface", "--output", "--portal", "--target"]
    assert bash_candidates(machine, tmp_path, "iscsictl login -- ") == []


LINES = [
    ("iscsictl lo", "iscsictl login "),
    ("iscsictl login -T iqn.2001", "iscsictl login -T iqn.2001-04.com.example:disk."),
    ("iscsictl login -T iqn.2001-04.com.example:disk.t", f"iscsictl login -T {TARGETS[1]} "),
    ("iscsictl login -T iqn.2010-01.org.example:st", f"iscsictl login -T {OTHER} "),
    ("iscsictl login -p 192", "iscsictl login -p 192.0.2.5:3260 "),
    ("iscsictl login -p 192.0.2.5:", "iscsictl login -p 192.0.2.5:3260 "),
    ("iscsictl login --output=j", "iscsictl login --output=json "),
    ("iscsictl fstab rm /srv/o", "iscsictl fstab rm /srv/other "),
]


@pytest.mark.parametrize("package", [False, True], ids=["alone", "bash-completion"])
@pytest.mark.parametrize(("typed", "line"), LINES)
def test_tab_in_bash_completes_the_line(
    machine: Path, tmp_path: Path, typed: str, line: str, package: bool
) -> None:
    assert bash_line(machine, tmp_path, typed, package=package) == line


@pytest.mark.parametrize(("typed", "line"), LINES)
def test_tab_in_zsh_completes_the_line(
    machine: Path, tmp_path: Path, typed: str, line: str
) -> None:
    # zsh takes the blank behind a word back when the cursor moves away.
    assert zsh_line(machine, tmp_path, typed).rstrip() == line.rstrip()


@pytest.mark.parametrize(("typed", "line"), LINES)
def test_tab_in_fish_completes_the_line(
    machine: Path, tmp_path: Path, typed: str, line: str
) -> None:
    assert fish_line(machine, tmp_path, typed).rstrip() == line.rstrip()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_tab_completes_an_ipv6_portal(machine: Path, tmp_path: Path, shell: str) -> None:
    typed = "iscsictl login -p [2001:db8:"
    if shell == "bash":
        line = bash_line(machine, tmp_path, typed, package=False)
    elif shell == "fish":
        line = fish_line(machine, tmp_path, typed)
    else:
        line = zsh_line(machine, tmp_path, typed.replace("[", "\\["))
    # In zsh a bracket is a pattern: typed and completed with its backslash.
    assert line.replace("\\", "").rstrip() == "iscsictl login -p [2001:db8::5]:860"


def test_a_blank_in_a_mount_point_gets_its_backslash(machine: Path, tmp_path: Path) -> None:
    typed = "iscsictl fstab rm /srv/m"
    assert bash_candidates(machine, tmp_path, typed) == ["/srv/my\\ mail"]


HOSTILE = (
    "iqn.2010.evil:1$(touch pwned)", "iqn.2010.evil:2`touch pwned`", "iqn.2010.evil:3;touch pwned",
    "iqn.2010.evil:4 a'b\"c", "iqn.2010.evil:5\ntouch pwned", "iqn.2010.evil:6\\*",
)  # fmt: skip


@pytest.mark.parametrize("quote", ["", "'", '"'])
@pytest.mark.parametrize("name", HOSTILE)
def test_bash_gives_a_name_to_the_command_as_it_is_whatever_is_in_it(
    tmp_path: Path, name: str, quote: str
) -> None:
    (tmp_path / "etc/iscsi/nodes" / name / "192.0.2.5,3260,1").mkdir(parents=True)
    typed = f"iscsictl login -T {quote}{name[:15]}"
    # Outside quotes readline replaces what follows the colon, inside all after the quote.
    word = name[:15] if quote else name[14]
    rest = "\n".join(bash_offers(tmp_path, tmp_path, typed, word))
    line = typed.removesuffix(word) + rest + quote
    program = line.replace("iscsictl", "printf '%s|'", 1)
    done = subprocess.run(
        ["bash", "--norc", "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == f"login|-T|{name}|"
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (f'iscsictl login -T "{TARGETS[1]}" -p 192', "192.0.2.5:3260"),
        (f"iscsictl login -T{TARGETS[1]} -p 192", "192.0.2.5:3260"),
        ("iscsictl login -p192", "-p192.0.2.5:3260"),
        ("iscsictl rescan 'a b' iqn.2010", OTHER),
        ("iscsictl startup 'a b' m", "manual"),
        ("iscsictl fstab rm /srv/my\\ m", "/srv/my\\ mail"),
        ("iscsictl login -p '[2001", "[2001:db8::5]:860"),
        ("iscsictl detach --mount 'a b' /dev/sd", "/dev/sdq"),
    ],
)
def test_bash_knows_quotes_and_values_that_stand_with_their_option(
    machine: Path, tmp_path: Path, typed: str, offered: str
) -> None:
    if typed.endswith("\\ m"):
        assert bash_offers(machine, tmp_path, typed, word="/srv/my\\ m") == [offered]
    else:
        assert bash_candidates(machine, tmp_path, typed, breaks="'\"") == [offered]


@pytest.mark.parametrize("option", ["failglob", "nullglob", "nocasematch"])
def test_bash_leaves_the_shell_as_it_was(machine: Path, tmp_path: Path, option: str) -> None:
    program = (
        f"shopt -s {option}; set -f; before=$BASHOPTS$-; source ./iscsictl.bash;"
        'COMP_LINE="iscsictl login -I s" COMP_POINT=19; _iscsictl iscsictl s x;'
        'printf "%s\\n" "${COMPREPLY[@]}"; [[ $before == "$BASHOPTS$-" ]]'
    )
    subprocess.run(
        ["bash", "--norc", "-c", program],
        env=environment(machine), check=True, cwd=tmp_path, timeout=PATIENCE,
    )  # fmt: skip


def test_bash_starts_no_process(machine: Path, tmp_path: Path) -> None:
    text = (tmp_path / "iscsictl.bash").read_text()
    assert "$(" not in text.replace("$((", "")
    assert "|" not in re.sub(r"\|\||[a-z] \| [a-z]", "", text.split("_iscsictl_add()")[1])


def test_the_files_that_are_checked_in_are_those_of_the_tree(tmp_path: Path) -> None:
    # In a process of its own: Click keeps the help option of the first context that asks.
    command = [sys.executable, "-m", "tools.completions", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT)
    for name in FILES.values():
        same = (ROOT / "completions" / name).read_text() == (tmp_path / name).read_text()
        assert same, "run `make generated`"


@pytest.mark.parametrize("shell", list(FILES))
def test_the_command_prints_the_script(shell: str) -> None:
    settings = cli.context_settings
    group = click.Group("iscsictl", commands=[completion], context_settings=settings)
    result = CliRunner().invoke(group, ["completion", shell])
    assert result.exit_code == 0
    assert result.output == script(shell, group)


def test_help_is_offered_by_both_its_names() -> None:
    for name in FILES.values():
        text = (ROOT / "completions" / name).read_text()
        both = re.findall(r"-h --help|-s h -l help", text)
        assert len(both) == len(walk(cli))
