"""The initramfs of each kernel that may be booted: which parts of open-iscsi it contains."""

import os
import re
import stat
from pathlib import Path
from typing import Final, NamedTuple

from iscsictl.errors import IscsictlError
from iscsictl.model.root_boot import Initramfs, InitramfsLogin, KernelParameters
from iscsictl.model.shell_form import shell_form
from iscsictl.parse.boot_settings import (
    GrubEntry,
    parse_command_line,
    parse_grub_default,
    parse_iscsi_initramfs,
)
from iscsictl.parse.cpio import ArchiveReader
from iscsictl.system.host.kernel_modules import builtin_modules, kernel_release, module_name
from iscsictl.system.io.files import explained, read_file
from iscsictl.system.io.process import filtered
from iscsictl.system.iscsi.initiator_name import name_in

_IMAGE: Final = "initrd.img-"
_KERNEL: Final = "vmlinuz-"
_GRUB: Final = "boot/grub/grub.cfg"
_SETTINGS: Final = "etc/iscsi/iscsi.initramfs"
# open-iscsi's hook (hooks/iscsi) copies both files without their directory.
_NAME_IN_IMAGE: Final = "etc/initiatorname.iscsi"
_SETTINGS_IN_IMAGE: Final = "etc/iscsi.initramfs"
_LOGIN_SCRIPT: Final = "scripts/local-top/iscsi"
_DRACUT: Final = "lib/dracut/"
_MODULE: Final = re.compile(r"\.ko(\.(xz|zst|gz))?$")
# The formats of unmkinitramfs(8): lz4 in the legacy format that the kernel reads, and lzma,
# recognised by its usual properties.
_DECOMPRESSORS: Final = {
    b"\x1f\x8b": ("gzip", "-dc"),
    b"\x28\xb5\x2f\xfd": ("zstd", "-dcq"),
    b"\xfd7zXZ": ("xz", "-dc"),
    b"\x02\x21\x4c\x18": ("lz4", "-dc"),
    b"BZh": ("bzip2", "-dc"),
    b"\x89LZO": ("lzop", "-dc"),
    b"\x5d\x00\x00": ("xz", "--format=lzma", "-dc"),
}


class NextBoot(NamedTuple):
    """The initramfs images of the kernels that may be booted, and the kernel's parameters.

    `images` maps the path of each image to the release of its kernel.
    """

    images: dict[str, str]
    parameters: KernelParameters


def find_next_boot(root: Path = Path("/")) -> NextBoot:
    """Return what may be booted next: GRUB's first entry or the newest kernel, and the running one.

    Without a grub.cfg the parameters are those of the running kernel: the configuration of other
    boot loaders is not read. Raises NeedsRootError, IscsictlError.
    """
    boot = root / "boot"
    entry = _read_grub_entry(root)
    installed = [path.name.removeprefix(_KERNEL) for path in boot.glob(f"{_KERNEL}*")]
    kernels = []
    running = kernel_release(root)
    # A kernel that has been removed meanwhile will not be booted again.
    if running is not None and running in installed:
        kernels.append(running)
    if entry is not None and entry.initrd is not None and entry.initrd.startswith(_IMAGE):
        kernels.append(entry.initrd.removeprefix(_IMAGE))
    elif installed:
        kernels.append(max(installed, key=_version_key))
    parameters = entry.parameters if entry is not None else _read_running_parameters(root)
    return NextBoot({f"/boot/{_IMAGE}{kernel}": kernel for kernel in kernels}, parameters)


def _version_key(release: str) -> list[tuple[int, str]]:
    """Return a key that sorts releases by their numbers: 6.1.0-9 before 6.1.0-35."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in
            re.findall(r"[0-9]+|[^0-9]+", release)]  # fmt: skip


def _read_grub_entry(root: Path) -> GrubEntry | None:
    text = read_file(root / _GRUB)
    return None if text is None else parse_grub_default(text.decode(errors="replace"), f"/{_GRUB}")


def _read_running_parameters(root: Path) -> KernelParameters:
    text = (read_file(root / "proc/cmdline") or b"").decode(errors="replace")
    return parse_command_line(text, "/proc/cmdline")


def read_initramfs(name: str, kernel: str, timeout: float, root: Path = Path("/")) -> (
    Initramfs | None
):  # fmt: skip
    """Return what the image of that name contains, None if there is no such file.

    It is unpacked through a pipe, nothing is written. Raises NeedsRootError, UnreachableError if
    that takes longer than `timeout` seconds, MissingError without the program that unpacks it,
    IscsictlError for an image that is damaged.
    """
    path = root / name.lstrip("/")
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            contents = _Contents()
            early = ArchiveReader(file)
            _read_archives(path, early, contents)
            file.seek(early.offset)
            start = file.read(6)
            if start:
                command = _decompressor_for(path, start)
                # lseek(2) moves the descriptor itself: the program begins where the data does.
                os.lseek(file.fileno(), early.offset, os.SEEK_SET)
                with filtered(command, file.fileno(), timeout=timeout) as unpacked:
                    _read_archives(path, ArchiveReader(unpacked), contents)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explained(error, "read", path) from error
    now = read_file(root / _SETTINGS)
    return contents.initramfs(kernel, now, mode, builtin_modules(kernel, root))


def _decompressor_for(path: Path, start: bytes) -> tuple[str, ...]:
    for magic, command in _DECOMPRESSORS.items():
        if start.startswith(magic):
            return command
    raise IscsictlError(
        f"{path} has an unknown compression format",
        hint=f"check whether its own tool can read it: lsinitramfs {shell_form(path)}",
    )


class _Contents:
    """Collects what matters in an image while its archives are read."""

    def __init__(self) -> None:
        self.programs: set[str] = set()
        self.modules: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.has_login_script = False
        self.made_by_dracut = False

    def add(self, name: str, content: bytes) -> None:
        """Add one file, with its content if that was asked for."""
        directory, _, base = name.rpartition("/")
        if directory.endswith(("bin", "sbin")):
            self.programs.add(base)
        elif _MODULE.search(base):
            self.modules.add(module_name(base))
        elif name in {_NAME_IN_IMAGE, _SETTINGS_IN_IMAGE}:
            self.files[name] = content
        self.has_login_script |= name == _LOGIN_SCRIPT
        self.made_by_dracut |= _DRACUT in name

    def initramfs(
        self, kernel: str, settings_now: bytes | None, mode: int, builtin: set[str]
    ) -> Initramfs:
        """Return what was collected; `settings_now` is the host's iscsi.initramfs."""
        settings = self.files.get(_SETTINGS_IN_IMAGE)
        login = InitramfsLogin()
        if settings is not None:
            login = parse_iscsi_initramfs(settings.decode(errors="replace"))
        return Initramfs(
            kernel,
            frozenset(self.programs),
            frozenset(self.modules | builtin),
            self.has_login_script,
            name_in(self.files.get(_NAME_IN_IMAGE, b"").decode("utf-8", "surrogateescape")),
            login,
            is_outdated=settings != settings_now,
            is_public=bool(mode & stat.S_IROTH),
            made_by_dracut=self.made_by_dracut,
        )


def _read_archives(path: Path, reader: ArchiveReader, contents: _Contents) -> None:
    try:
        for name, content in reader.entries({_NAME_IN_IMAGE, _SETTINGS_IN_IMAGE}):
            contents.add(name, content)
    except ValueError as error:
        raise IscsictlError(
            f"{path} is damaged: {error}", hint="rebuild it: update-initramfs -u -k all"
        ) from None
