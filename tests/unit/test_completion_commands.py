"""What TAB offers behind each real command, by the scripts that are checked in."""

import re
import shutil
from pathlib import Path

import click
import pytest

from iscsictl.cli.completions.generate import FILES
from iscsictl.cli.completions.kinds import kinds_of
from iscsictl.cli.completions.tree import Node, walk
from iscsictl.cli.main import cli
from tests.unit.shells import (
    OTHER,
    TARGETS,
    bash_candidates,
    bash_line,
    fish_candidates,
    fish_line,
    make_machine,
    zsh_line,
)

ROOT = Path(__file__).parents[2]
NODES = {node.path: node for node in walk(cli)}

RECORDS = "--target=target --portal=portal --interface=@default,@iser,iface"
SECRETS = "--chap-secret-file=file --mutual-secret-file=file"
DISK = "target,device,mount,dir"
# All that names something of this machine, by command: options, then arguments in their order.
# Of what is not named here nothing is known but its choices.
NAMED = {
    "attach": f"{RECORDS} {SECRETS} --mount=dir",
    "detach": DISK,
    "reconnect": "--target=target --metrics=file target",
    "ls": "--target=target --from=file target",
    "doctor": "--from=file",
    "plan": "--out=file file",
    "apply": "--plan=file file",
    "export": "",
    "discover": f"--interface=@default,@iser,iface {SECRETS} portal",
    "nodes ls": "--target=target target",
    "nodes show": f"{RECORDS} target",
    "nodes set": f"{RECORDS} choice",
    "login": f"{RECORDS} target",
    "logout": f"{RECORDS} target",
    "rescan": "--target=target target",
    "startup": f"{RECORDS} target choice",
    "forget": f"{RECORDS} target",
    "prune": "target",
    "take-over": "target,device",
    "hold": "target,mount,dir",
    "unhold": "target,mount,dir",
    "chap check": SECRETS,
    "chap clear": f"{RECORDS} --discovery=portal target",
    "chap generate": "--out=file",
    "chap set": f"{RECORDS} --discovery=portal {SECRETS} target",
    "chap show": f"{RECORDS} target",
    "schedule install": "--metrics=file",
    "schedule remove": "",
    "schedule status": "",
    "watch": "--target=target target",
    "initiator generate": "",
    "initiator set": "none",
    "initiator show": "",
    "iface add": "none",
    "iface ls": "",
    "iface rm": "iface",
    "iface set": "iface choice",
    "iface show": "@default,@iser,iface",
    "boot check": "--target=target target",
    "boot login": "",
    "boot show": "",
    "service enable": "",
    "service start": "",
    "service status": "",
    "disk grow": DISK,
    "disk label": "target,device choice",
    "disk ls": "",
    "disk mkfs": "target,device",
    "disk part add": DISK,
    "disk part bootable": f"{DISK} none",
    "disk part rm": f"{DISK} none",
    "disk part type": f"{DISK} none none",
    "disk part verify": DISK,
    "disk show": DISK,
    "mount": f"{DISK} dir",
    "umount": DISK,
    "fstab add": f"{DISK} dir",
    "fstab check": "",
    "fstab ls": "",
    "fstab rm": "mount,dir",
    "import": "--bindings=file file",
    "completion": "choice",
    "explain": "none",
    "report": "file",
}


def named(values: tuple[str, ...]) -> str:
    """The kinds of a value; its choices are Click's matter."""
    if values and all(value.startswith("@") for value in values):
        return "choice"
    return ",".join(values) or "none"


def names(node: Node) -> list[str]:
    options = [
        f"{next(name for name in option.names if name.startswith('--'))}={named(option.values)}"
        for option in node.options
        if option.values is not None and named(option.values) not in {"choice", "none"}
    ]
    return sorted(options) + [named(argument) for argument in node.arguments]


@pytest.mark.parametrize("path", [path for path, node in NODES.items() if not node.commands])
def test_a_value_is_completed_as_what_it_names(path: str) -> None:
    words = NAMED[path].split()
    options = sorted(word for word in words if word.startswith("--"))
    assert names(NODES[path]) == options + [word for word in words if not word.startswith("--")]


def test_no_command_is_listed_that_is_gone() -> None:
    assert set(NAMED) <= set(NODES)


def test_a_value_of_which_nothing_is_known_is_an_error() -> None:
    @click.command("fly")
    @click.option("--height", "-H")
    def fly(**_: object) -> None:
        """Be gone."""

    with pytest.raises(LookupError, match=r"kinds\.py .*--height"):
        walk(click.Group("iscsictl", commands=[fly]))
    with pytest.raises(LookupError, match="fly HEIGHT"):
        kinds_of(["fly HEIGHT"])


def values() -> set[str]:
    found = {value for node in NODES.values() for argument in node.arguments for value in argument}
    options = [option for node in NODES.values() for option in node.options]
    return found | {value for option in options for value in option.values or ()}


def test_every_kind_is_known_to_every_shell() -> None:
    kinds = {value for value in values() if not value.startswith("@")}
    for shell in ("bash", "zsh"):
        body = (ROOT / "completions" / FILES[shell]).read_text().partition("_iscsictl_live() {")[2]
        assert set(re.findall(r"^    (\w+)\)", body, re.MULTILINE)) == kinds, shell
    fish = (ROOT / "completions" / FILES["fish"]).read_text()
    assert kinds - {"file"} <= set(re.findall(r"^function __iscsictl_(\w+)", fish, re.MULTILINE))


def test_no_choice_has_what_parts_choices_in_the_scripts() -> None:
    assert not any(re.search(r"[\s:'+]", value) for value in values())


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("machine")
    make_machine(root)
    (root / "proc/self/mounts").write_text(
        "/dev/sdq1 /srv/Backup\\0402024 ext4 rw 0 0\n"
        "/dev/sdq2 /srv/hash\\0431 ext4 rw 0 0\n"
        "/dev/sdq3 /srv/slash\\134040 ext4 rw 0 0\n"
        "tmpfs /run tmpfs rw 0 0\n"
    )
    (root / "etc/fstab").write_text(
        "UUID=1 /srv/other\text4\t_netdev,nofail 0 0\nUUID=2 none swap _netdev 0 0\n"
    )
    (root / "sys/class/iscsi_session/session12/device/target2:0:0/2:0:0:0/block/sdq/sdq1").mkdir()
    return root


@pytest.fixture(autouse=True)
def _scripts(tmp_path: Path) -> None:
    for name in FILES.values():
        shutil.copy(ROOT / "completions" / name, tmp_path)


MOUNTS = ["/srv/Backup 2024", "/srv/hash#1", "/srv/other", "/srv/slash\\040"]
DEVICES = ["/dev/sdq", "/dev/sdq1"]
ALL = [OTHER, *TARGETS]
OFFERS = [
    ("umount ", [*ALL, *MOUNTS, *DEVICES]),
    ("umount /srv/", MOUNTS),
    ("umount iqn.2010", [OTHER]),
    ("umount /dev/sdq1", ["/dev/sdq1"]),
    ("detach ", [*ALL, *MOUNTS, *DEVICES]),
    ("mount ", [*ALL, *MOUNTS, *DEVICES]),
    ("mount /srv/B", ["/srv/Backup 2024"]),
    ("hold ", [*ALL, *MOUNTS]),
    ("unhold ", [*ALL, *MOUNTS]),
    ("fstab rm ", MOUNTS),
    ("disk mkfs /dev/", DEVICES),
    ("attach --options ", []),
    ("mount --options ", []),
    ("fstab add --options ", []),
    ("iface add new --ip ", []),
    ("iface set san0 --ip ", []),
    ("iface add ", []),
    ("iface show ", ["default", "iser", "san0"]),
    ("iface set ", ["san0"]),
    ("iface rm ", ["san0"]),
    ("initiator set ", []),
    ("login --header-digest ", ["CRC32C", "CRC32C,None", "None", "None,CRC32C"]),
    ("login --data-digest CRC32C,", ["CRC32C,None"]),
    ("attach --mount ", ["/"]),
    ("attach --mount new", []),
    ("doctor --only boot-in", ["boot-initiator", "boot-initramfs"]),
    ("doctor --ignore clo", ["clock"]),
    ("nodes set node.sta", ["node.startup="]),
    ("nodes set a=b node.sta", ["node.startup="]),
    ("nodes set node.startup=", ["node.startup="]),
    ("nodes set node.conn[0].address", []),
    ("nodes set node.session.auth.password", []),
    ("attach --set node.conn[0].tcp.w", ["node.conn[0].tcp.window_size="]),
    ("nodes set node.conn[0].tcp.w", ["node.conn[0].tcp.window_size="]),
    ("iface set san0 iface.net", ["iface.net_ifacename="]),
    ("ls -o se", ["session_state"]),
    ("chap set --discovery ", ["192.0.2.5:3260", "[2001:db8::5]:860"]),
]  # fmt: skip


def plain(word: str) -> str:
    """Return a word as it is without the shell's quotes."""
    return re.sub(r"\\(.)", r"\1", word)


def settled(line: str) -> str:
    """Return a line as zsh leaves it: without a blank or a slash behind the last word."""
    return re.sub(r"(?<=\w)/?\s*$", "", plain(line))


@pytest.mark.parametrize(("typed", "offered"), OFFERS)
def test_bash_offers(machine: Path, tmp_path: Path, typed: str, offered: list[str]) -> None:
    got = bash_candidates(machine, tmp_path, f"iscsictl {typed}", breaks="")
    assert sorted(map(plain, got)) == sorted(offered)


@pytest.mark.parametrize(("typed", "offered"), OFFERS)
def test_fish_offers(machine: Path, tmp_path: Path, typed: str, offered: list[str]) -> None:
    assert fish_candidates(machine, tmp_path, f"iscsictl {typed}") == sorted(offered)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory where nothing is mounted, with a directory whose name needs quotes."""
    made = tmp_path_factory.mktemp("dirs")
    (made / "new place").mkdir()
    (made / "file").touch()
    return f"{made}/"


LINES = [
    ("umount /srv/B", "umount /srv/Backup\\ 2024"),
    ("umount /srv/h", "umount /srv/hash#1"),
    ("fstab rm /srv/s", "fstab rm /srv/slash\\\\040"),
    ("detach /dev/sdq1", "detach /dev/sdq1"),
    ("hold /srv/o", "hold /srv/other"),
    ("iface rm s", "iface rm san0"),
    ("iface add x --ip 1", "iface add x --ip 1"),
    ("attach --options /", "attach --options /"),
    ("login --data-digest CRC32C,", "login --data-digest CRC32C,None"),
    ("login --header-digest=None,", "login --header-digest=None,CRC32C"),
    ("attach --mount ", "attach --mount /"),
    ("attach --mount=", "attach --mount=/"),
    ("attach --mount {folder}", "attach --mount {folder}new\\ place/"),
    ("attach --mount={folder}n", "attach --mount={folder}new\\ place/"),
    ("umount {folder}", "umount {folder}new\\ place/"),
    ("mount /srv/other {folder}", "mount /srv/other {folder}new\\ place/"),
    ("fstab rm n", "fstab rm n"),
    ("doctor --only clo", "doctor --only clock"),
    ("nodes set node.sta", "nodes set node.startup="),
    ("attach --set=node.sta", "attach --set=node.startup="),
    ("nodes set node.conn\\[0\\].tcp.w", "nodes set node.conn[0].tcp.window_size="),
]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(("typed", "line"), LINES)
def test_tab_completes_the_line(
    machine: Path, tmp_path: Path, folder: str, shell: str, typed: str, line: str
) -> None:
    typed = f"iscsictl {typed.format(folder=folder)}"
    if shell == "bash":
        got = bash_line(machine, tmp_path, typed, package=False)
    elif shell == "zsh":
        got = zsh_line(machine, tmp_path, typed)
    else:
        got = fish_line(machine, tmp_path, typed)
    assert settled(got) == settled(f"iscsictl {line.format(folder=folder)}")
