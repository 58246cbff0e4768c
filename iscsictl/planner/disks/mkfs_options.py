"""Which options of mkfs a user may pass on: an allow-list for each tool.

mkfs gets one device, which was proved blank, and is never forced. A list of forbidden options
cannot guarantee that: getopt_long(3) accepts abbreviations, short options can be combined, and each
release adds options. So an option that is not listed here is refused, and so is a value that is
neither a number nor one of the words listed. The lists follow mke2fs(8), mkfs.xfs(8),
mkfs.btrfs(8), mkfs.fat(8) and mkswap(8).
"""

import re
from collections.abc import Callable, Iterator, Mapping

from iscsictl.errors import UsageError

#: Returns what is wrong with a value, or None.
Check = Callable[[str], str | None]

# mkfs.xfs and mke2fs accept units after a number: 4k, 16b, 2s, 1.5 (percent).
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?[A-Za-z]?")
_HINT = (
    "mkfs is given only the device that you named, and only options that cannot affect another one"
)


def _is_number(value: str) -> str | None:
    return None if _NUMBER.fullmatch(value) else f"{value!r} is not a number"


def _accept_words(text: str, *, negated: bool = False) -> Check:
    """Accept one or more of these words, separated by commas; with `negated` also after a ^."""
    allowed = frozenset(text.split())

    def find_mistake(value: str) -> str | None:
        for word in value.split(","):
            if (word.removeprefix("^") if negated else word) not in allowed:
                return f"{word!r} is not allowed"
        return None

    return find_mistake


def _accept_settings(
    numbers: str, *, alone: str = "", words: Mapping[str, Check] | None = None
) -> Check:
    """Accept name=value pairs, separated by commas.

    `numbers` are the names that take a number, `alone` those without a value, and `words` has a
    check of its own for each of the others.
    """
    checks = {**dict.fromkeys(numbers.split(), _is_number), **(words or {})}
    flags = frozenset(alone.split())

    def find_mistake(value: str) -> str | None:
        for pair in value.split(","):
            name, equals, given = pair.partition("=")
            if not equals and name in flags:
                continue
            if name not in checks or not equals:
                return f"{pair!r} is not allowed"
            if why := checks[name](given):
                return f"{name}: {why}"
        return None

    return find_mistake


_EXT: Mapping[str, Check | None] = {
    **dict.fromkeys(("-b", "-C", "-g", "-G", "-i", "-I", "-m", "-N"), _is_number),
    **dict.fromkeys(("-D", "-q", "-v")),
    "-e": _accept_words("continue remount-ro panic"),
    # Not offset, which moves the filesystem, nor what leaves the inode tables unwritten.
    "-E": _accept_settings(
        "desc_size encoding_flags lazy_itable_init lazy_journal_init mmp_update_interval "
        "num_backup_sb orphan_file_size packed_meta_blocks resize stride stripe_width stripe-width",
        alone="nodiscard lazy_itable_init lazy_journal_init",
        words={
            "encoding": _accept_words("utf8 utf8-12.1"),
            "quotatype": _accept_words("usrquota grpquota"),
        },
    ),
    # Not device, which is another disk.
    "-J": _accept_settings("size fast_commit_size location"),
    # Not journal_dev, which makes no filesystem.
    "-O": _accept_words(
        "none 64bit bigalloc casefold dir_index dir_nlink ea_inode encrypt ext_attr extent extents "
        "extra_isize fast_commit filetype flex_bg has_journal huge_file inline_data large_dir "
        "large_file metadata_csum metadata_csum_seed meta_bg mmp orphan_file project quota "
        "resize_inode sparse_super sparse_super2 stable_inodes uninit_bg verity",
        negated=True,
    ),
    "-T": _accept_words("floppy small default big huge news largefile largefile4 hurd"),
}

_XFS: Mapping[str, Check | None] = {
    **dict.fromkeys(("-q", "-K")),
    "-b": _accept_settings("size"),
    # Not name and file: they are another place to write to.
    "-d": _accept_settings(
        "agcount agsize cowextsize daxinherit extszinherit projinherit rtinherit sectsize size su "
        "sunit sw swidth unwritten",
        alone="noalign",
    ),
    "-i": _accept_settings(
        "align attr maxpct nrext64 perblock projid32bit size sparse", alone="align"
    ),
    # Not logdev and name, which are another disk.
    "-l": _accept_settings("agnum lazy-count sectsize size su sunit version", alone="internal"),
    "-m": _accept_settings("bigtime crc finobt inobtcount reflink rmapbt"),
    "-n": _accept_settings("ftype size", words={"version": _accept_words("2 ci")}),
    "-s": _accept_settings("size"),
}

_PROFILE = _accept_words("single dup")
_FEATURES = _accept_words(
    "block-group-tree extref free-space-tree mixed-bg no-holes quota raid56 skinny-metadata",
    negated=True,
)
_CHECKSUM = _accept_words("crc32c xxhash sha256 blake2")
_BTRFS: Mapping[str, Check | None] = {
    **dict.fromkeys(("-q", "--quiet", "-v", "--verbose", "-M", "--mixed", "-K", "--nodiscard")),
    **dict.fromkeys(("-b", "--byte-count", "-n", "--nodesize", "-s", "--sectorsize"), _is_number),
    **dict.fromkeys(("-d", "--data", "-m", "--metadata"), _PROFILE),
    **dict.fromkeys(("-O", "--features", "-R", "--runtime-features"), _FEATURES),
    **dict.fromkeys(("--csum", "--checksum"), _CHECKSUM),
}

_VFAT: Mapping[str, Check | None] = {
    # -F is the size of an entry of the FAT here, and -f how many FATs there are.
    **dict.fromkeys(("-b", "-D", "-f", "-F", "-h", "-r", "-R", "-s", "-S"), _is_number),
    **dict.fromkeys(("-a", "-v", "--invariant")),
    "-M": lambda value: None if re.fullmatch(r"0x[0-9A-Fa-f]{2}", value) else f"{value!r}",
    "-g": lambda value: None if re.fullmatch(r"[0-9]+/[0-9]+", value) else f"{value!r}",
    "--codepage": _is_number,
    "--mbr": _accept_words("y yes n no a auto"),
}

_SWAP: Mapping[str, Check | None] = {
    **dict.fromkeys(("-p", "--pagesize", "-v", "--swapversion"), _is_number),
    **dict.fromkeys(("-q", "--quiet", "--verbose")),
}

_ALLOWED: Mapping[str, Mapping[str, Check | None]] = {
    "ext2": _EXT, "ext3": _EXT, "ext4": _EXT, "xfs": _XFS, "btrfs": _BTRFS, "vfat": _VFAT,
    "swap": _SWAP,
}  # fmt: skip

# What iscsictl sets by itself, and with which option.
_OWN = {
    "ext2": "-U -L", "ext3": "-U -L", "ext4": "-U -L", "xfs": "-L", "vfat": "-i -n",
    "btrfs": "-U --uuid -L --label", "swap": "-U --uuid -L --label",
}  # fmt: skip


def read_mkfs_options(fs: str, given: tuple[str, ...]) -> tuple[str, ...]:
    """Return the arguments for mkfs, each option and each value as a word of its own.

    `given` are the words of the user; a value may be attached (-m1, --csum=xxhash) or follow.
    Raises UsageError for an option or a value that is not allowed for this tool, and for a word
    that belongs to no option.
    """
    words = iter(given)
    return tuple(part for word in words for part in _read_option(fs, word, words))


def _read_option(fs: str, word: str, rest: Iterator[str]) -> tuple[str, ...]:
    allowed = _ALLOWED[fs]
    if not word.startswith("-"):
        raise UsageError(f"--option {word}: a value must follow its option", hint=_HINT)
    if word.startswith("--"):
        name, equals, attached = word.partition("=")
    else:
        # One letter and its value, as in -m1. Of combined letters (-qF) the rest would be the
        # value, and is refused as that.
        name, attached = word[:2], word[2:]
        equals = attached
    if name not in allowed:
        _refuse_option(fs, word, name)
    check = allowed[name]
    if check is None:
        if equals:
            raise UsageError(
                f"--option {word}: {name} of mkfs for {fs} takes no value",
                hint="give each mkfs option with its own --option",
            )
        return (name,)
    value = attached if equals else next(rest, "")
    if why := check(value):
        raise UsageError(f"--option {name} {value}: {why} for {fs}", hint=_hint_for_value(value))
    return (f"{name}={value}",) if name.startswith("--") else (name, value)


def _refuse_option(fs: str, word: str, name: str) -> None:
    if name in _OWN[fs].split():
        raise UsageError(
            f"--option {word}: UUID and label have their own options",
            hint="use --uuid and --label",
        )
    if name in {"-f", "-F"} or ("--force".startswith(name) and len(name) > 2):
        raise UsageError(
            f"--option {word}: mkfs is never run with force; see --wipe",
            hint="to destroy the content: --wipe --confirm WWID",
        )
    allowed = ", ".join(sorted(_ALLOWED[fs]))
    raise UsageError(f"--option {word} is not allowed for {fs}", hint=f"allowed are: {allowed}")


def _hint_for_value(value: str) -> str:
    names = {pair.partition("=")[0] for pair in value.split(",")}
    if "uuid" in names:
        return "use --uuid and --label"
    return "to discard all blocks: --discard" if "discard" in names else _HINT
