"""What fstab check says to write, written by hand: the line is safe, and nothing new is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_fstabcheck import CARRIED, IQN, SERVICE, UUID, WWID, check, machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from iscsictl.planner.safety.fstab_rules import Finding

Fields = list[str]


def add_option(fields: Fields, option: str) -> None:
    fields[3] = f"{fields[3]},{option}"


def set_sixth_field(fields: Fields, value: str) -> None:
    fields[5] = value


def replace_text(fields: Fields, old: str, new: str) -> None:
    """Replace a text of the line; what `UUID=...` is, blkid tells."""
    new = new.replace("UUID=...", f"UUID={UUID}")
    fields[:] = [field.replace(old, new) for field in fields]


def replace_and_delete(fields: Fields, old: str, new: str, other: str) -> None:
    fields[3] = fields[3].replace(f",{other}", "").replace(old, new)


EDITS: dict[str, Callable[..., None]] = {
    r"add the option (\S+)": add_option,
    r"set the sixth field to (\d)": set_sixth_field,
    r"replace (\S+) with (\S+), and delete (\S+)": replace_and_delete,
    r"replace (\S+) with (\S+)(?: \(blkid [^)]*\))?": replace_text,
}


def edited(line: str, finding: Finding) -> str:
    """Do by hand what a fix says. Raises AssertionError where it says nothing that can be done."""
    assert finding.fix.endswith(f" in line {finding.line} of /etc/fstab"), finding.fix
    what = finding.fix.removesuffix(f" in line {finding.line} of /etc/fstab")
    fields = line.split(" ")
    for pattern, edit in EDITS.items():
        if match := re.fullmatch(pattern, what):
            edit(fields, *match.groups())
            return " ".join(fields)
    raise AssertionError(finding.fix)


OPTIONS = ["_netdev", "nofail", "noatime", f"x-systemd.requires={SERVICE}",
           f"x-systemd.after={SERVICE}", "x-systemd.automount", "fail", "comment=systemd.automount",
           "noauto", "auto", "x-systemd.required-by=mail.service",
           "x-systemd.requires=iscsi.service", "x-systemd.after=iscsi.service"]  # fmt: skip
OURS = f"x-iscsictl.wwid={WWID},x-iscsictl.target={IQN},x-iscsictl.lun=0"


@given(
    spec=st.sampled_from(
        [f"UUID={UUID}", f"uuid={UUID}", f"UUID={UUID.upper()}", "/dev/sdb1",
         f"/dev/disk/by-uuid/{UUID}"]
    ),
    options=st.lists(st.sampled_from(OPTIONS), unique=True).map(tuple),
    ours=st.booleans(),
    check_at_boot=st.sampled_from("02"),
    fstype=st.sampled_from(["ext4", "xfs", "ocfs2"]),
)  # fmt: skip
def test_each_fix_done_by_hand_ends_its_finding_and_brings_no_new_one(
    spec: str, options: tuple[str, ...], ours: bool, check_at_boot: str, fstype: str
) -> None:
    words = ",".join(("defaults", *options, *([OURS] if ours else [])))
    line = f"{spec} /srv {fstype} {words} 0 {check_at_boot}"
    facts = machine()
    assert facts.carriers[UUID] == CARRIED
    left = check(f"{line}\n", facts)
    while left:
        line = edited(line, left[0])
        now = check(f"{line}\n", facts)
        assert left[0].id not in {finding.id for finding in now}, line
        assert {one.id for one in now} <= {one.id for one in left} | NAMED, line
        left = now


#: What is judged only once the line names its disk as mount reads it.
NAMED = {"no-netdev", "no-nofail", "fsck", "no-order", "requires-login"}
