"""A tool that fails half way leaves a disk changed: the error tells it, and so does the report.

The tools are the real ones, on loop devices; a script in PATH ends them with exit code 1.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from iscsictl.engine import executor
from iscsictl.engine.executor import CompletedStep, StepFailedError, execute_steps
from iscsictl.errors import (
    IscsictlError,
    MissingError,
    RefusedError,
    UnexpectedContentError,
    UnreachableError,
)
from iscsictl.model import actions
from iscsictl.model.plan import Action, Status, Step
from iscsictl.system.block import disk_writer, partition_table, write_tracker
from iscsictl.system.block.table_reader import read_table
from iscsictl.system.context import Context
from iscsictl.system.io import process
from tests.unit import loops
from tests.unit.fake_root import put
from tests.unit.loops import fingerprint, give_name, looped, sparse
from tests.unit.test_writer_guards import (
    MIB,
    UUID,
    Scratch,
    Write,
    add_partition,
    grow_filesystem,
    label,
    mkfs,
    new_table,
    prepare,
    wipe,
    wipe_node,
)

pytestmark = pytest.mark.fault("F32")
needs_loops = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
WRITES: tuple[tuple[Write, str], ...] = (
    (wipe, "wipefs"),
    (wipe_node, "wipefs"),
    (new_table, "sfdisk"),
    (label, "sfdisk"),
    (add_partition, "sfdisk"),
    (mkfs, "mkfs.ext4"),
    (grow_filesystem, "resize2fs"),
)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scratch]:
    """A blank disk of 200 MiB that answers to the name that the writers expect."""
    give_name(monkeypatch)
    with looped(sparse(tmp_path / "image", 200 * MIB)) as device:
        yield Scratch(tmp_path / "image", device)


def failing(tool: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every run of a tool that changes something exit with 1, once it has done its work."""
    script = f'{process.find(tool)} "$@" || exit; case "$*" in *--json*) exit 0; esac; exit 1'
    put(root, f"bin/{tool}", f"#!/bin/sh\n{script}\n").chmod(0o755)
    monkeypatch.setattr(process, "PATH", f"{root}/bin:{process.PATH}")


def without(tool: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a PATH in which one tool is missing."""
    directory = root / "without"
    directory.mkdir()
    for name in ("blkid", "sfdisk", "wipefs", "partx", "blockdev", "mkfs.ext4", "resize2fs"):
        found = process.find(name)
        if name != tool and found is not None:
            (directory / name).symlink_to(found)
    monkeypatch.setattr(process, "PATH", str(directory))


@needs_loops
@pytest.mark.parametrize(("write", "tool"), WRITES)
def test_a_tool_that_fails_half_way_has_the_error_tell_that_it_wrote(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, tool: str
) -> None:
    prepare(scratch, write)
    os.sync()
    before = fingerprint(scratch.image)
    failing(tool, tmp_path, monkeypatch)
    with pytest.raises(IscsictlError) as raised:
        write(scratch)
    os.sync()
    assert fingerprint(scratch.image) != before
    assert raised.value.wrote


@needs_loops
@pytest.mark.parametrize(("write", "tool"), WRITES)
def test_a_tool_that_is_missing_wrote_nothing(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, tool: str
) -> None:
    prepare(scratch, write)
    without(tool, tmp_path, monkeypatch)
    with pytest.raises(MissingError, match=tool) as raised:
        write(scratch)
    assert not raised.value.wrote


@needs_loops
def test_a_second_tool_that_is_missing_comes_after_a_first_that_wrote(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without("mkfs.ext4", tmp_path, monkeypatch)
    command = disk_writer.mkfs_command("ext4", UUID, None)
    with pytest.raises(MissingError) as raised:
        disk_writer.mkfs(
            scratch.disk, None, command, lambda _: True, scratch.deadline(), leftovers=True
        )
    assert raised.value.wrote


@needs_loops
@pytest.mark.parametrize("leftovers", [True, False])
def test_a_refusal_of_mkfs_tells_of_signatures_that_were_erased_before(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, leftovers: bool
) -> None:
    """What wipefs erases, mkfs does not find: here a filesystem comes after the wipefs."""
    subprocess.run(["mkfs.ext4", "-q", "-F", scratch.device], check=True)
    if leftovers:
        saved = tmp_path / "superblock"
        with Path(scratch.device).open("rb") as disk:
            saved.write_bytes(disk.read(4096))
        restore = f"dd if={saved} of={scratch.device} conv=notrunc status=none"
        script = f'{process.find("wipefs")} "$@" && {restore}'
        put(tmp_path, "bin/wipefs", f"#!/bin/sh\n{script}\n").chmod(0o755)
        monkeypatch.setattr(process, "PATH", f"{tmp_path}/bin:{process.PATH}")
    command = disk_writer.mkfs_command("ext4", UUID, None)
    with pytest.raises(RefusedError, match="found something") as raised:
        disk_writer.mkfs(
            scratch.disk, None, command, lambda _: True, scratch.deadline(), leftovers=leftovers
        )
    assert raised.value.wrote == leftovers


def failed(action: Action, root: Path) -> list[CompletedStep]:
    """Execute an action that fails; return what is there to be rolled back."""
    done: list[CompletedStep] = []
    step = Step(action, "disk", "", Status.PLANNED)
    with pytest.raises(StepFailedError):
        list(execute_steps([step], Context(root=root), done))
    return done


@needs_loops
@pytest.mark.parametrize("part", [None, 1])
def test_a_wipe_that_fails_half_way_is_left_over(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int | None
) -> None:
    loops.add_partition(scratch.device, 1, 2048 * 512, 100_000 * 512)
    failing("wipefs", tmp_path, monkeypatch)
    done = failed(actions.Wipe(scratch.disk, part), tmp_path)
    outcomes, leftovers = executor.roll_back(done, Context(root=tmp_path))
    assert outcomes == []
    assert leftovers == ["wipe:disk is not undone: an undo never destroys data"]


@needs_loops
def test_a_partition_whose_node_never_comes_is_left_over_all_the_same(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(scratch, add_partition)
    before = read_table(scratch.device)
    assert before is not None
    said = UnreachableError("the node did not appear in time")

    def never_there(*_: object, **__: object) -> None:
        raise said

    monkeypatch.setattr(partition_table, "await_node", never_there)
    action = actions.AddPart(scratch.disk, before, 2, 104448, 20480, before.entries[0].type)
    done = failed(action, tmp_path)
    assert executor.roll_back(done, Context(root=tmp_path)) == (
        [],
        ["part-add:disk is not undone"],
    )


def left_with(error: Exception, tools: list[str]) -> IscsictlError:
    """Run tools in a body that ends with an error; return the error that leaves it."""

    def write() -> None:
        with write_tracker.track_writes() as writes:
            for tool in tools:
                writes.run([tool])
            raise error

    with pytest.raises(IscsictlError) as raised:
        write()
    return raised.value


@pytest.mark.parametrize("kind", [MissingError, RefusedError, UnexpectedContentError])
def test_a_refusal_counts_as_written_only_after_a_tool_has_run(kind: type[IscsictlError]) -> None:
    assert not left_with(kind("no"), []).wrote
    assert left_with(kind("no"), ["true"]).wrote


def test_an_error_of_the_kernel_after_a_tool_has_run_tells_it_too() -> None:
    found = left_with(OSError(5, "Input/output error", "/dev/sdz"), ["true"])
    assert found.text == "/dev/sdz: Input/output error"
    assert found.wrote
