"""What mkfs leaves of the blocks that it does not write: all of them, unless told to discard."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from iscsictl.engine.runtime import open_context
from iscsictl.model import actions
from iscsictl.model.disk_content import BlankProof, Content
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.plan import Plan
from iscsictl.model.spec import Consent
from iscsictl.observers import disks as observers
from iscsictl.planner.disks.format import MkfsSpec, plan_label, plan_mkfs
from iscsictl.system.block import probe
from iscsictl.system.block.disk_writer import mkfs_command
from iscsictl.system.mount import usage
from tests.unit.attach_facts import here, planned
from tests.unit.disk_facts import GIB, NEW, WWID, carries, disk_inventory
from tests.unit.loops import looped, sparse
from tests.worlds import blank, spec, wwid_of

MIB = 1 << 20
FORCE = {"ext4": "-F", "ext3": "-F", "ext2": "-F", "xfs": "-f", "btrfs": "-f"}


@pytest.mark.fault("F63")
@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
@pytest.mark.parametrize("discard", [False, True])
@pytest.mark.parametrize("fs", ["ext2", "ext3", "ext4", "xfs", "btrfs"])
def test_what_mkfs_does_not_write_can_be_rescued_unless_it_was_told_to_discard(
    fs: str, discard: bool, tmp_path: Path
) -> None:
    if not shutil.which(f"mkfs.{fs}"):
        pytest.skip(f"mkfs.{fs} is not installed")
    image = sparse(tmp_path / "image", 400 * MIB)
    # Where none of them writes: in the middle of a group, of an allocation group, of a chunk.
    at = 333 * MIB + 123 * 4096
    with image.open("r+b") as file:
        file.seek(at)
        file.write(b"precious" * 512)
    with looped(image) as device:
        command = mkfs_command(fs, NEW, None, (FORCE[fs],), discard=discard)
        subprocess.run([*command, device], check=True, capture_output=True)
    with image.open("rb") as file:
        file.seek(at)
        assert (file.read(8) == b"precious") is not discard


@pytest.mark.fault("F63")
@pytest.mark.parametrize(
    ("extra", "options"),
    [
        ((), "-E nodiscard"),
        (("-E", "stride=16", "-m", "1"), "-E stride=16,nodiscard -m 1"),
        (("-Estride=16", "-E", "discard"), "-E stride=16,discard,nodiscard"),
    ],
)
def test_an_extended_option_of_the_user_does_not_bring_the_discard_back(
    extra: tuple[str, ...], options: str
) -> None:
    """Of several -E mke2fs heeds the last alone, and of several words in it the last."""
    assert " ".join(mkfs_command("ext4", NEW, None, extra)) == f"mkfs.ext4 -U {NEW} {options}"
    assert mkfs_command("ext4", NEW, None, extra, discard=True)[3:] == list(extra)


PROOF = BlankProof.sampled(237, 64 << 20)


def why(plan: Plan, verb: str) -> str:
    assert plan.refusal is None, plan.refusal
    return next(s.why for s in plan.steps if s.action.verb == verb)


@pytest.mark.fault("F62")
def test_the_plan_says_by_which_proof_a_disk_is_blank() -> None:
    words = "blank: 237 places read, none farther apart than 64 MiB"
    content = Content(WWID, GIB, 512, proof=PROOF)
    assert words in why(plan_label(disk_inventory(content=content), "gpt", Consent()), "label")
    assert words in why(plan_mkfs(disk_inventory(content=content), MkfsSpec("ext4", NEW)), "mkfs")
    disk = blank(wwid_of(0), proof=PROOF)
    assert words in why(planned(here(disk)), "label")
    assert words in why(planned(here(disk), spec(table="none")), "mkfs")
    full = Content(WWID, GIB, 512, proof=BlankProof.all_read())
    assert "blank: all read" in why(
        plan_label(disk_inventory(content=full), "gpt", Consent()), "label"
    )
    confirmed = plan_label(
        disk_inventory(content=carries("xfs", proof=PROOF)), "gpt", Consent(wipe=WWID)
    )
    assert "blank" not in why(confirmed, "label")


@pytest.mark.fault("F63")
def test_discard_is_handed_on_from_the_command_to_the_action() -> None:
    for wanted in (False, True):
        plan = plan_mkfs(disk_inventory(), MkfsSpec("ext4", NEW, discard=wanted))
        assert plan.refusal is None
        assert [s.action.discard for s in plan.steps if isinstance(s.action, actions.Mkfs)] == [
            wanted
        ]


@pytest.mark.fault("F62")
@pytest.mark.parametrize("command", [["attach"], ["disk", "label"], ["disk", "mkfs"]])
def test_each_command_that_needs_a_blank_disk_offers_the_full_proof(command: list[str]) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "iscsictl", *command, "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "--verify-blank [quick|full]" in said
    assert ("--discard" in said) == (command != ["disk", "label"])
    words = " ".join(said.split())
    assert "quick finds 64 MiB of contiguous data on up to 1 TiB" in words
    assert "may miss a few isolated blocks" in words


@pytest.mark.fault("F62")
@pytest.mark.parametrize("full", [False, True])
def test_disk_commands_hand_the_request_for_a_full_proof_to_the_probe(
    full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def probe_disk(device: str, wwid: str, **how: Any) -> Content:
        asked.append(how["full"])
        how["heard"](0.5)
        return Content(wwid, GIB, 512)

    told: list[str] = []
    context = open_context(1.0, tmp_path, watch=told.append)
    inventory = disk_inventory()
    monkeypatch.setattr(probe, "probe", probe_disk)
    monkeypatch.setattr(observers, "base", lambda _: inventory)
    monkeypatch.setattr(usage, "disk_usage", lambda *_, **__: DiskUsage())
    observers.observe(context, observers.DiskQuery("/dev/sda", content=True, full_probe=full), None)
    assert asked == [full]
    assert told == ["/dev/sda: 50% read"]
