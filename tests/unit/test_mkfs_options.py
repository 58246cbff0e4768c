"""Options for mkfs: only those on the list, however the others are spelled."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.errors import UsageError
from iscsictl.planner.disks.mkfs_options import read_mkfs_options
from iscsictl.system.block.disk_writer import mkfs_command
from iscsictl.system.io.process import pty, run, start
from tests.unit.disk_facts import NEW
from tests.unit.loops import sparse

pytestmark = pytest.mark.fault("F70")

# Each names another device or file, forces, writes elsewhere on the device, or writes nothing.
REFUSED = [
    ("ext4", "-J device=sdb"), ("ext4", "-Jdevice=sdb"), ("ext4", "-J size=8,device=LABEL=log"),
    ("ext4", "-O journal_dev"), ("ext4", "-O ^64bit,journal_dev"), ("ext4", "-F"),
    ("ext4", "-FF"), ("ext4", "-qF"), ("ext4", "-Fq"), ("ext4", "-vF"), ("ext4", "-n"),
    ("ext4", "-S"), ("ext4", "-d rootdir"), ("ext4", "-drootdir"), ("ext4", "-l badblocks"),
    ("ext4", "-z undo"), ("ext4", "-c"), ("ext4", "-cc"), ("ext4", "-E offset=1M"),
    ("ext4", "-E stride=4,offset=1M"), ("ext4", "-E discard"), ("ext4", "-U random"),
    ("ext4", "-Lname"), ("ext4", "-m"), ("ext4", "-m sdb"), ("ext4", "sdb"), ("ext4", "-q sdb"),
    ("ext4", "-q 1000"), ("ext4", "--"), ("ext4", "-- sdb"), ("ext4", "-"), ("ext4", "-V"),
    ("ext3", "-t journal"), ("ext2", "-o hurd"), ("ext4", "-E test_fs"), ("ext4", "-T /dev/sdb"),
    ("ext4", "-E assume_storage_prezeroed=1"), ("ext4", ""), ("ext4", "-M /mnt"),
    ("xfs", "-l logdev=sdb"), ("xfs", "-l logdev=1"), ("xfs", "-l size=64m,logdev=sdb"),
    ("xfs", "-llogdev=sdb"),
    ("xfs", "-l internal=0,name=sdb"), ("xfs", "-l file=1,name=log"), ("xfs", "-d name=sdb"),
    ("xfs", "-d file=1,name=disk"), ("xfs", "-r rtdev=sdb"), ("xfs", "-r name=sdb"),
    ("xfs", "-f"), ("xfs", "-fK"), ("xfs", "-Kf"), ("xfs", "-qf"), ("xfs", "-N"),
    ("xfs", "-p proto"), ("xfs", "-c options=conf"), ("xfs", "-m uuid=" + NEW),
    ("xfs", "-m crc=0,uuid=" + NEW), ("xfs", "-L name"), ("xfs", "-m config=conf"),
    ("btrfs", "-f"), ("btrfs", "--force"), ("btrfs", "--forc"), ("btrfs", "--fo"),
    ("btrfs", "-Kf"), ("btrfs", "-r rootdir"), ("btrfs", "--rootdir rootdir"),
    ("btrfs", "--root=rootdir"), ("btrfs", "--shrink"), ("btrfs", "sdb"), ("btrfs", "-M sdb"),
    ("btrfs", "-d single sdb"), ("btrfs", "--uuid=" + NEW), ("btrfs", "--uu " + NEW),
    ("btrfs", "-d raid0"), ("btrfs", "--quiet=sdb"), ("btrfs", "-O zoned"), ("btrfs", "-A 1g"),
    ("vfat", "-C"), ("vfat", "-l badblocks"), ("vfat", "-m message"), ("vfat", "-aI"),
    ("vfat", "--offset=8"), ("vfat", "-g ../.."), ("vfat", "-n NAME"), ("vfat", "-c"),
    ("swap", "-f"), ("swap", "--force"), ("swap", "--forc"), ("swap", "--offset=4096"),
    ("swap", "-c"), ("swap", "-e big"), ("swap", "-qf"), ("swap", "-o 4096"),
]  # fmt: skip


@pytest.mark.parametrize(("fs", "words"), REFUSED)
def test_what_is_not_on_the_list_is_refused(fs: str, words: str) -> None:
    with pytest.raises(UsageError, match="--option"):
        read_mkfs_options(fs, tuple(words.split(" ")))


ACCEPTED = [
    ("ext4", "-b 4096"), ("ext4", "-b4096"), ("ext4", "-m 0"), ("ext4", "-m0.5"), ("ext4", "-q"),
    ("ext4", "-i 16384"), ("ext4", "-I 256"), ("ext4", "-N 1000"), ("ext4", "-v"), ("ext4", "-D"),
    ("ext4", "-e remount-ro"), ("ext4", "-E stride=16,stripe_width=64"), ("ext4", "-T largefile"),
    ("ext4", "-E lazy_itable_init=0,lazy_journal_init=0,nodiscard"), ("ext4", "-G 16"),
    ("ext4", "-O ^metadata_csum,^64bit,quota"), ("ext4", "-J size=16"), ("ext4", "-g 8192"),
    ("ext4", "-O bigalloc -C 65536"), ("ext4", "-E mmp_update_interval=5 -O mmp"),
    ("ext4", "-O casefold -E encoding=utf8"), ("ext4", "-O quota -E quotatype=usrquota"),
    ("ext2", "-O none"), ("ext3", "-b 1024"),
    ("xfs", "-b size=4096"), ("xfs", "-bsize=4k"), ("xfs", "-d su=64k,sw=4"), ("xfs", "-q"),
    ("xfs", "-d agcount=4"), ("xfs", "-d sunit=128,swidth=512"), ("xfs", "-d noalign"),
    ("xfs", "-i size=1024,maxpct=5"), ("xfs", "-l size=64m,version=2"), ("xfs", "-l internal"),
    ("xfs", "-m crc=1,reflink=0,rmapbt=0,bigtime=1"), ("xfs", "-n size=8192,ftype=1"),
    ("xfs", "-n version=ci"), ("xfs", "-s size=512"), ("xfs", "-K"),
    ("btrfs", "-m single"), ("btrfs", "--metadata=dup --data single"), ("btrfs", "-n 16k"),
    ("btrfs", "--csum=xxhash"), ("btrfs", "-M -O mixed-bg"), ("btrfs", "-O no-holes,^extref"),
    ("btrfs", "-R free-space-tree"), ("btrfs", "-s 4096 -q"), ("btrfs", "--byte-count 200m"),
    ("swap", "-p 4096"), ("swap", "--pagesize=4096"), ("swap", "-v1"), ("swap", "--verbose"),
]  # fmt: skip
_TOOL = {"swap": "mkswap"}


@pytest.mark.parametrize(("fs", "words"), ACCEPTED)
def test_what_is_on_the_list_is_known_to_the_tool_itself(
    fs: str, words: str, tmp_path: Path
) -> None:
    """The real tool makes the filesystem in a file with the words that come out."""
    if shutil.which(_TOOL.get(fs, f"mkfs.{fs}"), path="/usr/sbin:/sbin") is None:
        pytest.skip(f"the tool for {fs} is not installed")
    image = sparse(tmp_path / "image", 1 << 30)
    options = read_mkfs_options(fs, tuple(words.split(" ")))
    result = run([*mkfs_command(fs, NEW, None, options), str(image)])
    assert result.code == 0


def test_for_vfat_the_letters_of_force_are_sizes() -> None:
    assert read_mkfs_options("vfat", ("-F32", "-f", "2")) == ("-F", "32", "-f", "2")
    assert read_mkfs_options("vfat", ("-g", "255/63", "--mbr=n")) == ("-g", "255/63", "--mbr=n")


_PIECES = st.sampled_from([
    "-", "--", "f", "F", "K", "q", "force", "-l", "-d", "-J", "-E", "-O", "logdev=", "device=",
    "name=", "file=1", "size=1", "=", ",", "^", "/", "/dev/sdb", "sdb", "offset=1", "rootdir", "1",
    "journal_dev", "uuid=", "\n", "\0", "é",
])  # fmt: skip
_WORDS = st.lists(st.lists(_PIECES, min_size=1, max_size=5).map("".join), min_size=1, max_size=4)


@given(st.sampled_from(["ext4", "xfs", "btrfs", "swap"]), _WORDS)
def test_no_words_get_a_path_a_device_or_force_to_the_tool(fs: str, words: list[str]) -> None:
    try:
        accepted = read_mkfs_options(fs, tuple(words))
    except UsageError:
        return
    text = " ".join(accepted).lower()
    for never in ("/", "sdb", "dev=", "device", "name=", "file=", "offset", "rootdir", "force",
                  "journal_dev", "uuid", "\n"):  # fmt: skip
        assert never not in text
    letters = {word for word in accepted if word.startswith("-")}
    assert not letters & {"-f", "-F", "-r", "-U", "-L", "-p", "-c", "-z"} - {"-p" * (fs == "swap")}


def test_the_command_refuses_a_log_on_another_disk_before_it_looks_for_the_disk() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "iscsictl", "disk", "mkfs", "iqn.2004-10.example:disk", "--fs",
         "xfs", "--option=-l", "--option=logdev=sdb"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 2
    assert "--option -l logdev=sdb" in said.stderr
    assert "hint:" in said.stderr


def test_every_tool_runs_in_the_root_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word of an option can then never be a file of the directory that the user is in."""
    monkeypatch.chdir(tmp_path)
    assert run(["pwd"]).out.strip() == "/"
    assert pty(["pwd"]).out.strip() == "/"
    written = tmp_path / "cwd"
    start(["sh", "-c", f"pwd >'{written}'"], lambda: False)
    assert written.read_text().strip() == "/"
    assert Path.cwd() == tmp_path
