"""A made root directory of a host."""

from pathlib import Path

RELEASE = "6.1.0-35-amd64"


def put(root: Path, name: str, text: str = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def with_modules(root: Path) -> Path:
    """Put a kernel with some modules there."""
    put(root, "proc/sys/kernel/osrelease", RELEASE + "\n")
    modules_at = f"lib/modules/{RELEASE}"
    tcp, lib = "kernel/drivers/scsi/iscsi_tcp.ko", "kernel/drivers/scsi/libiscsi.ko.xz"
    put(root, f"{modules_at}/{tcp}")
    put(root, f"{modules_at}/{lib}")
    put(root, f"{modules_at}/modules.dep", f"{tcp}: {lib}\n{lib}:\nkernel/b/be2iscsi.ko:\n")
    put(root, f"{modules_at}/modules.builtin", "kernel/lib/libcrc32c.ko\n")
    return root
