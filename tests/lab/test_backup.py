"""The commands of docs/backup.md, typed on two hosts: what they print and what they leave alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.install import PROJECT
from tests.lab.onhost import run_on
from tests.lab.test_readme import answer_of, shown_commands, without_what_differs

if TYPE_CHECKING:
    from tests.lab.guest import Guest
    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

pytestmark = pytest.mark.torture
MAIL = "iqn.2001-04.com.example:mail"
PAGE = (PROJECT / "docs/backup.md").read_text(encoding="utf-8")


def type_block(host: Guest, section: str, number: int = 0, wwid: str = "") -> None:
    """Type the commands of a console block of a section; each prints what the page says.

    `wwid` stands for the WWID that the page has for the disk.
    """
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    block = re.findall(r"^```console\n.*?^```", text, re.MULTILINE | re.DOTALL)[number]
    for shown in shown_commands(block):
        command = re.sub(
            r"wwn-0x\w+?(?=-part)", f"wwn-0x{wwid.removeprefix('naa.')}", shown.command
        )
        answer = answer_of(host, command)
        if shown.output.strip():
            expected, actual = map(without_what_differs, (shown.output, answer))
            assert actual.strip() == expected.strip(), command


def copy_on_array(lab: Lab, origin: Disk, name: str) -> Disk:
    """A snapshot of a disk, as far as an array of files has snapshots."""
    copy = lab.array.disk(name, origin.size)
    lab.array.run(f"cp --sparse=always {origin.path} {copy.path}; sync", check=True)
    return copy


def test_a_snapshot_is_read_on_a_backup_host_and_the_origin_is_set_back_to_it(
    session_lab: Lab,
) -> None:
    lab = session_lab
    lab.restore_with_second_host("installed")
    host, second, array = lab.host, lab.second, lab.array
    origin = array.disk("mail", "64M")
    array.target(MAIL, [origin])
    type_block(host, "Put a filesystem on it")
    run_on(host, "echo kept > /srv/mail/file; fsfreeze --freeze /srv/mail")
    frozen, clone = (copy_on_array(lab, origin, name) for name in ("frozen", "clone"))
    run_on(host, "fsfreeze --unfreeze /srv/mail; echo later > /srv/mail/file; sync")
    array.target(f"{MAIL}-snapshot", [frozen], read_only=[0])
    before, fstab = array.digest(frozen), second.text("/etc/fstab")

    type_block(second, "A snapshot on a backup host", wwid=frozen.wwid)
    assert run_on(second, "cat /mnt/mail/file").out == "kept\n"
    type_block(second, "A snapshot on a backup host", 1)
    assert array.digest(frozen) == before
    assert second.text("/etc/fstab") == fstab
    assert run_on(second, "iscsiadm -m node", 21).out == ""

    # A writable clone: refused beside its origin, and adopted elsewhere, for it was frozen.
    array.target(f"{MAIL}-clone", [clone])
    adopt = f"iscsictl attach -p {A4} -T {MAIL}-clone --adopt --no-boot --mount /mnt/clone"
    refused = run_on(host, adopt, 9)
    assert re.search(r"the UUID \S+ is also on /dev/sd\w: one is a snapshot", refused.err)
    run_on(second, adopt)
    assert run_on(second, "cat /mnt/clone/file").out == "kept\n"

    type_block(host, "Restore")
    array.run(f"cat {frozen.path} > {origin.path}; sync", check=True)
    run_on(host, "iscsictl reconnect && ! findmnt /srv/mail")
    type_block(host, "Restore", 1)
    assert run_on(host, "cat /srv/mail/file").out == "kept\n"
