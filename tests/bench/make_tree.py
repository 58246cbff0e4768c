"""Make a tree of the kernel's files with N sessions: python -m tests.bench.make_tree DIR N."""

import os
import sys
from pathlib import Path
from typing import Any

WWID = "naa.6001405{:025x}"
SESSION = {
    "state": "LOGGED_IN", "ifacename": "default", "targetalias": "LIO Target", "tpgt": "1",
    "initiatorname": "iqn.1993-08.org.debian:01:abcdef", "isid": "00023d000000",
    "recovery_tmo": "120", "abort_tmo": "15", "lu_reset_tmo": "30", "tgt_reset_tmo": "30",
    "first_burst_len": "65536", "max_burst_len": "262144", "initial_r2t": "1",
    "immediate_data": "1", "max_outstanding_r2t": "1", "erl": "0", "creator": "root",
    "username": "(null)", "username_in": "(null)", "password": "(null)", "password_in": "(null)",
}  # fmt: skip
CONNECTION = {
    "header_digest": "0", "data_digest": "1", "max_recv_dlength": "262144",
    "max_xmit_dlength": "65536", "state": "up", "local_ipaddr": "192.0.2.9",
}  # fmt: skip
# What udev keeps of a disk of LIO's and of a partition on it.
DISK_UDEV: dict[str, Any] = {
    "ID_SCSI": "1", "ID_VENDOR": "LIO-ORG", "ID_VENDOR_ENC": "LIO-ORG\\x20", "ID_BUS": "scsi",
    "ID_MODEL": "l0", "ID_MODEL_ENC": "l0" + "\\x20" * 14, "ID_REVISION": "4.0", "ID_TYPE": "disk",
    "ID_TARGET_PORT": "0", "SCSI_TPGS": "3", "SCSI_TYPE": "disk", "SCSI_VENDOR": "LIO-ORG",
    "SCSI_MODEL": "l0", "SCSI_REVISION": "4.0", "ID_PART_TABLE_TYPE": "gpt",
    "ID_PART_TABLE_UUID": "0b7f5a3c-52a2-4d6b-9a55-0b7f5a3c52a2",
}  # fmt: skip
PART_UDEV: dict[str, Any] = {
    "ID_FS_VERSION": "1.0", "ID_FS_TYPE": "ext4", "ID_FS_USAGE": "filesystem",
    "ID_PART_ENTRY_SCHEME": "gpt", "ID_PART_ENTRY_NUMBER": "1", "ID_PART_ENTRY_OFFSET": "16384",
    "ID_PART_ENTRY_TYPE": "0fc63daf-8483-4772-8e79-3d69d8477de4",
}  # fmt: skip


def put(directory: Path, **files: str) -> Path:
    """Write attributes as the kernel shows them: a line each."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_bytes(text.encode("utf-8", "surrogateescape") + b"\n")
    return directory


def link(link_path: Path, to: Path) -> None:
    """Make the relative link that sysfs would have."""
    link_path.parent.mkdir(parents=True, exist_ok=True)
    link_path.symlink_to(os.path.relpath(to, link_path.parent))


class Tree:
    """A root directory that is filled session by session, LUN by LUN."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sys = root / "sys"
        self._minor = 0
        (root / "run/udev/data").mkdir(parents=True, exist_ok=True)
        if not (root / "proc/self/mountinfo").exists():
            put(root / "proc/self", mountinfo="22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw")
        (self.sys / "class/block").mkdir(parents=True, exist_ok=True)
        (self.sys / "block").mkdir(parents=True, exist_ok=True)

    def session(
        self,
        sid: int,
        target: str,
        address: str = "192.0.2.5",
        *,
        host: int | None = None,
        port: int = 3260,
        connection: dict[str, str] | None = None,
        **attributes: str,
    ) -> Path:
        """Add a session; return .../hostH/sessionN."""
        host = sid + 1 if host is None else host
        adapter = self.sys / f"devices/platform/host{host}"
        (self.sys / "class/iscsi_transport/tcp").mkdir(parents=True, exist_ok=True)
        for kind, files in (
            ("scsi_host", {"proc_name": "iscsi_tcp", "state": "running"}),
            ("iscsi_host", {"ipaddress": "192.0.2.9", "hwaddress": "", "netdev": ""}),
        ):
            if not (self.sys / f"class/{kind}/host{host}").exists():
                put(adapter / kind / f"host{host}", **files)
                link(self.sys / f"class/{kind}/host{host}", adapter / kind / f"host{host}")
        device = adapter / f"session{sid}"
        own = put(
            device / f"iscsi_session/session{sid}", targetname=target, **(SESSION | attributes)
        )
        link(own / "device", device)
        link(self.sys / f"class/iscsi_session/session{sid}", own)
        portal = {"address": address, "port": str(port)}
        portal |= {f"persistent_{key}": value for key, value in portal.items()}
        conn = device / f"connection{sid}:0/iscsi_connection/connection{sid}:0"
        put(conn, **(portal | CONNECTION | (connection or {})))
        link(self.sys / f"class/iscsi_connection/connection{sid}:0", conn)
        return device

    def lun(self, device: Path, number: int = 0, *, wwid: str = "", state: str = "running") -> Path:
        """Add a LUN without a disk; return its directory."""
        host = device.parent.name.removeprefix("host")
        hctl = f"{host}:0:0:{number}"
        files = {"state": state, "vendor": "LIO-ORG ", "model": "l0              ", "type": "0"}
        if wwid:
            files["wwid"] = wwid
        own = put(device / f"target{host}:0:0" / hctl, **files)
        link(self.sys / "bus/scsi/devices" / hctl, own)
        return own

    def block(
        self, directory: Path, kname: str, mib: int = 1024, *, number: str = "", **udev: str
    ) -> Path:
        """Add a block device in `directory`; its udev properties are the keywords."""
        if not number:
            number = f"8:{self._minor}"
            self._minor += 1
        own = put(directory / kname, dev=number, size=str(mib * 2048), ro="0")
        put(own, uevent=f"MAJOR={number.split(':')[0]}\nDEVNAME={kname}")
        (own / "holders").mkdir()
        link(self.sys / "class/block" / kname, own)
        link(self.sys / "dev/block" / number, own)
        if directory.name == "block":
            link(self.sys / "block" / kname, own)
        else:
            put(own, partition=kname[-1])
        lines = ["S:disk/by-id/x", "I:1", *(f"E:{key}={value}" for key, value in udev.items())]
        lines += ["G:systemd", "Q:systemd", "V:1"]
        (self.root / f"run/udev/data/b{number}").write_bytes(
            "\n".join([*lines, ""]).encode("utf-8", "surrogateescape")
        )
        return own

    def virtual(self, kname: str, number: str, mib: int = 1024, **udev: str) -> Path:
        """Add a map, an array or a loop under devices/virtual."""
        return self.block(self.sys / "devices/virtual/block", kname, mib, number=number, **udev)

    def hold(self, below: Path, above: Path) -> None:
        """Let `above` stand on `below`."""
        link(below / "holders" / above.name, above)
        link(above / "slaves" / below.name, below)

    def mount(self, number: str, path: str, fstype: str = "ext4", source: str = "/dev/x") -> None:
        """Add a line to mountinfo."""
        with (self.root / "proc/self/mountinfo").open("ab") as file:
            line = f"30 22 {number} / {path} rw,relatime shared:1 - {fstype} {source} rw\n"
            file.write(line.encode("utf-8", "surrogateescape"))


def letters(index: int) -> str:
    """Return the index-th disk name: sda, ..., sdz, sdaa."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(97 + rest) + name
    return "sd" + name


def make(root: Path, sessions: int, *, there: int = 0) -> None:
    """Make sessions of one LUN each, with one mounted partition; `there` of them are made."""
    tree = Tree(root)
    for index in range(there, sessions):
        address = f"192.0.{index // 250}.{index % 250 + 1}"
        device = tree.session(index + 1, f"iqn.2003-01.org.example:array.lun{index:05}", address)
        lun = tree.lun(device, wwid=WWID.format(index))
        name = letters(index)
        number = f"{8 + index // 16}:{index % 16 * 16}"
        disk = tree.block(
            lun / "block",
            name,
            number=number,
            **DISK_UDEV,
            ID_SERIAL="3" + WWID.format(index)[4:],
            ID_WWN_WITH_EXTENSION="0x" + WWID.format(index)[4:],
            ID_SCSI_SERIAL=f"{index:032x}",
        )
        major, _, minor = number.partition(":")
        part = f"{major}:{int(minor) + 1}"
        tree.block(
            disk,
            name + "1",
            1023,
            number=part,
            **DISK_UDEV,
            **PART_UDEV,
            ID_WWN_WITH_EXTENSION="0x" + WWID.format(index)[4:],
            ID_FS_UUID=f"{index:036x}",
            ID_FS_UUID_ENC=f"{index:036x}",
        )
        tree.mount(part, f"/srv/lun{index}")


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
