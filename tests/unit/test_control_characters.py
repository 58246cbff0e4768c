"""Names from arrays, disks and files reach the terminal without their control characters."""

from pathlib import Path

import pytest

from tests.bench.make_tree import Tree
from tests.commands import call
from tests.unit.fake_root import put

#: Sets the title of a terminal, erases the screen, and turns the direction of text around.
EVIL = "\x1b]0;owned\x07\x1b[2J\u202e\x9b1m\r"
TARGET = f"iqn.2001-04.com.example:{EVIL}"
WWID = "naa.60014050000000000000000000000001"
READERS = (
    "", "ls", "ls -l", "ls --tree", "ls -o tsv", "nodes ls", "nodes ls -o tsv", "disk ls",
    "disk ls -o tsv", "disk show /dev/sda", "fstab ls", "fstab ls -o tsv", "fstab check",
    "doctor", "doctor -v", "doctor -o tsv", "reconnect -n", "reconnect -n -v", "rescan -n",
    "export", "chap show", "hold", "initiator show", "iface ls", "iface show evil",
    "schedule status", "service status", "boot show", "startup x automatic", "import old.conf -n",
    "plan volumes.toml", "explain message.txt", "ls --from captured.txt",
    f"attach -p 192.0.2.5 -T {EVIL} --mount /srv/x -n", f"detach {EVIL}", f"mount /srv/{EVIL}",
    f"chap check --secret-file {EVIL}",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host where whatever others name carries control characters."""
    root = tmp_path_factory.mktemp("root")
    tree = Tree(root)
    device = tree.session(1, TARGET, targetalias=EVIL, ifacename=EVIL, state="FAILED")
    lun = tree.lun(device, wwid=WWID)
    (lun / "model").write_text(f"{EVIL}\n")
    tree.block(lun / "block", "sda", ID_FS_LABEL=EVIL, ID_FS_TYPE="ext4", ID_FS_USAGE="filesystem",
               ID_MODEL_ENC=EVIL, ID_SCSI_SERIAL=EVIL)  # fmt: skip
    values = (
        f"node.name = {TARGET}\nnode.startup = automatic\nnode.session.auth.username = {EVIL}\n"
        f"node.conn[0].address = 192.0.2.5\nnode.conn[0].port = 3260\niface.iscsi_ifacename = x\n"
        f"node.{EVIL} = {EVIL}\n"
    ).replace("\r", "")
    put(root, "etc/iscsi/nodes/iqn.2001-04.com.example:a/192.0.2.5,3260,1/default",
        f"# BEGIN RECORD 2.1.8\n{values}# END RECORD\n")  # fmt: skip
    put(root, f"etc/iscsi/nodes/{TARGET}/192.0.2.5,3260,1/default", values)
    put(root, "etc/iscsi/ifaces/evil",
        f"iface.iscsi_ifacename = {EVIL}\niface.net_ifacename = {EVIL}\n")  # fmt: skip
    put(root, "etc/iscsi/initiatorname.iscsi", f"InitiatorName={TARGET}\n")
    put(root, "etc/fstab", f"UUID=0a-1 /srv/x{EVIL} ext4 {EVIL},x-iscsictl.wwid={EVIL} 0 0\n"
        f"{EVIL}\nLABEL={EVIL} /srv/y ext4 _netdev 0 0\n")  # fmt: skip
    put(root, "old.conf", f"DiscoveryAddress={EVIL}\n{EVIL}={EVIL}\n")
    put(root, "volumes.toml", f"[[volume]]\nname = 'x'\n'{EVIL[2]}' = 1\n{EVIL}")
    put(root, "message.txt", f"iscsiadm: {EVIL}\n")
    put(root, "captured.txt", f"Target: {TARGET}\n\tCurrent Portal: 192.0.2.5:3260,1\n{EVIL}\n")
    return root


@pytest.mark.parametrize("command", READERS)
def test_no_command_prints_a_control_character_that_others_put_into_a_name(
    root: Path, command: str
) -> None:
    answer = call([word for word in command.split(" ") if word], root, uid=0)
    assert not set(answer.out + answer.err) & set("\x1b\x07\x9b\r\u202e"), answer
    assert "Traceback" not in answer.err


def test_the_names_are_shown_all_the_same(root: Path) -> None:
    shown = call(["ls"], root, uid=0)
    assert r"iqn.2001-04.com.example:\x1b]0;owned\x07" in shown.out, shown
