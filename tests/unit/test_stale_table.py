"""A kernel that still has the partitions of a table that went behind its back (loop devices)."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iscsictl.errors import InUseError, RefusedError
from iscsictl.system.block import disk_writer, multipath
from iscsictl.system.block.known_partitions import known_partitions, remember_partitions
from tests.unit.loops import looped

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
OLD, NEW = (8192, 100_000), (2048, 200_000)


def table(image: Path, place: tuple[int, int]) -> None:
    script = f"label: gpt\nstart={place[0]}, size={place[1]}\n"
    subprocess.run(["sfdisk", "-q", image], input=script, text=True, check=True)


def kernel(device: str) -> list[tuple[int, int]]:
    base = Path("/sys/class/block", Path(device).name)
    return [
        (int((one / "start").read_text()), int((one / "size").read_text()))
        for one in base.glob(f"{base.name}p*")
    ]


@contextmanager
def stale(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A disk of which the kernel has seen one table, and that has another now."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(256 << 20)
    table(image, OLD)
    with looped(image) as device:
        if subprocess.run(["partx", "--add", device], check=False, capture_output=True).returncode:
            pytest.skip("no partitions on loop devices here")
        try:
            assert kernel(device) == [OLD]
            yield image, device
        finally:
            subprocess.run(["partx", "--delete", device], check=False, capture_output=True)


def test_no_partition_of_an_older_table_stays(tmp_path: Path) -> None:
    with stale(tmp_path) as (_, device):
        with Path(f"{device}p1").open("rb"), pytest.raises(InUseError):
            disk_writer.forget_parts(device)
        assert kernel(device) == [OLD]
        disk_writer.forget_parts(device)
        assert kernel(device) == []
        disk_writer.forget_parts(device)


def test_no_partition_of_an_older_table_stays_on_a_path_of_a_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next run would take what mkfs writes for content of a lost partition."""
    with stale(tmp_path) as (_, device):
        monkeypatch.setattr(
            multipath, "paths_of", lambda of, *_: (device,) if of == "/dev/mapper/m" else ()
        )
        remember_partitions(device)
        assert len(known_partitions("/dev/mapper/m")) == 1
        disk_writer.forget_old_parts("/dev/mapper/m")
        assert kernel(device) == []
        assert known_partitions("/dev/mapper/m") == ()


def test_a_filesystem_is_made_only_where_kernel_and_table_agree(tmp_path: Path) -> None:
    with stale(tmp_path) as (image, device):
        table(image, NEW)
        with Path(f"{device}p1").open("rb"), pytest.raises(RefusedError) as raised:
            disk_writer.verify_kernel_partition(device, 1)
        assert f"{device}p1 at another place than the table of {device}" in raised.value.text
        disk_writer.verify_kernel_partition(device, 1)
        assert kernel(device) == [NEW]
