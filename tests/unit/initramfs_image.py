"""An initramfs of one's own making: archives of cpio, and the files of a host around it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.unit.fake_root import put

KERNEL = "6.1.0-35-amd64"
IMAGE = f"/boot/initrd.img-{KERNEL}"
IQN = "iqn.2001-04.com.example:root"
NAME = "iqn.1993-08.org.debian:01:5f3e9a0c77d1"
SETTINGS = f'# root\nISCSI_TARGET_NAME={IQN}\nISCSI_TARGET_IP="192.0.2.5"\nISCSI_PASSWORD=s3cret\n'
#: What the hook of open-iscsi puts into an image, and the driver of a NIC.
FILES = {
    "usr/sbin/iscsistart": "x" * 3000,
    "scripts/local-top/iscsi": "#!/bin/sh\n",
    "etc/initiatorname.iscsi": f"## DO NOT EDIT\nInitiatorName={NAME}\n",
    f"usr/lib/modules/{KERNEL}/kernel/drivers/scsi/iscsi_tcp.ko.xz": "x",
    f"usr/lib/modules/{KERNEL}/kernel/drivers/scsi/sd_mod.ko": "x",
    f"usr/lib/modules/{KERNEL}/kernel/drivers/net/virtio-net.ko": "x",
}


def archive(files: Mapping[str, str]) -> bytes:
    """An archive in the newc format (cpio(5)), padded to 512 bytes as cpio does it."""
    made = b""
    for name, text in [*files.items(), ("TRAILER!!!", "")]:
        data, title = text.encode(), name.encode() + b"\0"
        # ino, mode, uid, gid, nlink, mtime; then size, four device numbers, name size, check.
        fields = (1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(title), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + title
        for part in (header, data):
            made += part + bytes(-len(part) % 4)
    return made + bytes(-len(made) % 512)


def image(files: Mapping[str, str], compressor: str | None = "gzip") -> bytes:
    """An image as mkinitramfs makes it: microcode first, uncompressed, then the rest."""
    main = archive(files)
    if compressor is not None:
        main = subprocess.run(
            [*compressor.split(), "-c"], input=main, stdout=subprocess.PIPE, check=True
        ).stdout
    return archive({"kernel/x86/microcode/GenuineIntel.bin": "m" * 5000}) + main


def put_image(
    root: Path, files: Mapping[str, str] = FILES, compressor: str | None = "gzip"
) -> Path:
    """Put a kernel and its image below `root`."""
    put(root, "proc/sys/kernel/osrelease", f"{KERNEL}\n")
    put(root, f"boot/vmlinuz-{KERNEL}")
    path = put(root, IMAGE.lstrip("/"))
    path.write_bytes(image(files, compressor))
    path.chmod(0o600)
    return path
