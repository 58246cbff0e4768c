import io
import shutil
import tarfile
from pathlib import Path

import pytest

from iscsictl.errors import IscsictlError, UsageError
from iscsictl.parse.capture import parse_capture
from iscsictl.system.iscsi.sosreport import read_capture, read_directory
from tests.bench.make_tree import make

DAMAGED = """\
Target: iqn.2003-01.org.example:a
\tCurrent Portal: 192.0.2.5:zzz
\tPersistent Portal: 192.0.2.5:3260,1
\t\tInterface:
\t\tSID: x
"""


def saved(root: Path, **outputs: str | bytes) -> Path:
    """Save what `iscsiadm -m session` (flat) and `-P 3` (tree) printed."""
    folder = root / "sos_commands/iscsi"
    folder.mkdir(parents=True)
    names = {"flat": "iscsiadm_-m_session", "tree": "iscsiadm_-m_session_-P_3"}
    for kind, text in outputs.items():
        data = text if isinstance(text, bytes) else text.encode()
        (folder / names[kind]).write_bytes(data)
    return root


def test_a_sosreport_with_saved_kernel_files_is_read_like_a_live_host(tmp_path: Path) -> None:
    make(tmp_path / "sosreport-host-1", 2)
    listing = read_directory(tmp_path)
    assert len(listing.sessions) == 2
    assert len(listing.disks or ()) == 2


def test_of_a_sosreport_s_outputs_the_one_that_tells_most_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "sos_commands/iscsi"
    folder.mkdir(parents=True)
    data = Path(__file__).parent / "data/sessions"
    shutil.copy(data / "flat.txt", folder / "iscsiadm_-m_session")
    shutil.copy(data / "mixed-P3.txt", folder / "iscsiadm_-m_session_-P_3")
    (folder / "iscsiadm_-m_node").write_text("192.0.2.1:3260,1 iqn.2010-10.org.example:n\n")
    listing = read_directory(tmp_path)
    assert [session.sid for session in listing.sessions] == [4, 12]
    assert listing.disks is None
    # Where the kernel's files were saved as links that lead nowhere, the outputs tell.
    (tmp_path / "sys/class/iscsi_session").mkdir(parents=True)
    assert read_directory(tmp_path).sessions == listing.sessions


@pytest.mark.parametrize("text", ["bash: iscsiadm: command not found\n", bytes(range(256)) * 50])
def test_an_output_that_cannot_be_read_is_not_taken_for_no_sessions(
    tmp_path: Path, text: str | bytes
) -> None:
    saved(tmp_path, tree=text)
    answer = r"iscsiadm_-m_session_-P_3:1 contains no output"
    with pytest.raises(IscsictlError, match=answer) as error:
        read_capture(tmp_path)
    assert error.value.hint


@pytest.mark.parametrize("text", ["", "iscsiadm: No active sessions.\n"])
def test_an_output_without_sessions_is_an_empty_list(tmp_path: Path, text: str) -> None:
    listing = read_capture(saved(tmp_path, flat="bash: oops\n", tree=text))
    assert (listing.sessions, listing.warnings) == ((), ())


def test_the_warnings_of_the_output_that_is_read_are_kept_and_name_it(tmp_path: Path) -> None:
    listing = read_capture(saved(tmp_path, flat="bash: oops\n", tree=DAMAGED))
    alone = parse_capture(DAMAGED)
    assert listing.sessions == alone.sessions
    assert [note.line for note in listing.warnings] == [2, 4, 5]
    assert [note.text for note in listing.warnings] == [
        f"{note.text} (in iscsiadm_-m_session_-P_3)" for note in alone.warnings
    ]


def test_of_outputs_that_tell_as_much_the_undamaged_one_is_read(tmp_path: Path) -> None:
    line = "tcp: [1] 192.0.2.5:3260,1 iqn.2003-01.org.example:a\n"
    listing = read_capture(saved(tmp_path, flat=f"oops\n{line}", tree=line))
    assert (listing.sessions, listing.warnings) == (parse_capture(line).sessions, ())


def bundle(root: Path, **files: str) -> Path:
    """A directory with these files; a double underscore stands for a slash, two for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def posted(name: str) -> str:
    return (Path(__file__).parent / f"data/captures/{name}.txt").read_text()


@pytest.mark.fault("F109")
def test_a_bundle_joins_sessions_maps_block_devices_and_records(tmp_path: Path) -> None:
    sessions, _, rest = posted("sessions-multipath-and-lsblk").partition("root@h:~# multipath")
    maps, _, table = rest.partition("root@h:~# lsblk -f\n")
    folder = tmp_path / "sosreport-h-1" / "sos_commands"
    bundle(folder, **{"iscsi__iscsiadm_-m_session_-P_3": sessions,
                      "iscsi__iscsiadm_-m_node_-P_1": posted("node-P1"),
                      "multipath__multipath_-ll": "multipath" + maps,
                      "block__lsblk_-f_-a": table, "block__blkid": "noise\n"})  # fmt: skip
    listing = read_capture(tmp_path)
    assert [session.sid for session in listing.sessions] == [1, 2]
    assert listing.capture is not None
    (disk,) = listing.capture.disks or ()
    assert [path.sid for path in disk.paths or ()] == [1, 2]
    assert (disk.wwid, disk.block.device) == (
        "naa.6001405d1a2b3c4d5e6f7a8b9c0d1e2f", "/dev/mapper/mpatha",
    )  # fmt: skip
    assert [child.mounts for child in disk.block.children or ()] == [("/srv/mail",)]
    assert len(listing.capture.records or ()) == 4
    assert [
        (note.line, "(in iscsiadm_-m_node_-P_1)" in note.text) for note in listing.warnings
    ] == [(1, True)]


@pytest.mark.fault("F109")
def test_the_files_of_a_supportconfig_are_read(tmp_path: Path) -> None:
    text = (
        f"#==[ Command ]====#\n# /sbin/iscsiadm -m session -P 3\n{posted('iscsiadm-version-line')}"
    )
    maps = f"#==[ Command ]====#\n# /sbin/multipath -ll\n{posted('multipath-ll')}"
    bundle(tmp_path, **{"fs-iscsi_dot_txt": text, "mpio_dot_txt": maps, "messages_dot_txt": "x\n"})
    listing = read_capture(tmp_path)
    assert [session.sid for session in listing.sessions] == [1]
    assert listing.capture is not None
    assert len(listing.capture.disks or ()) == 2


@pytest.mark.fault("F109")
@pytest.mark.parametrize("following", ["Configuration File", "Log File", "Verification"])
def test_a_section_of_a_supportconfig_costs_the_session_before_it_no_lun(
    tmp_path: Path, following: str
) -> None:
    text = (
        f"#==[ Command ]====#\n# /sbin/iscsiadm -m session -P 3\n{posted('iscsiadm-version-line')}"
        f"\n#==[ {following} ]====#\n# /etc/iscsi/iscsid.conf\nnode.session.scan = auto\n"
    )
    bundle(tmp_path, **{"fs-iscsi_dot_txt": text})
    (session,) = read_capture(tmp_path).sessions
    assert [lun.device for lun in session.luns or ()] == ["/dev/sdb", "/dev/sdc"]


def packed(file: Path, *folders: Path) -> Path:
    """An archive as sos and supportconfig make it, from directories as these make them."""
    with tarfile.open(file, "w:xz") as archive:
        for folder in folders:
            archive.add(folder, folder.name)
    return file


@pytest.mark.fault("F109")
def test_the_archive_of_a_bundle_is_read_like_its_directory(tmp_path: Path) -> None:
    sos, suse = tmp_path / "sosreport-h-1", tmp_path / "scc_h_1"
    saved(sos, tree=posted("iscsiadm-version-line"))
    (sos / "var/log").mkdir(parents=True)
    (sos / "var/log/messages").write_text("a long log\n" * 100)
    text = f"# /sbin/iscsiadm -m session -P 3\n{posted('iscsiadm-version-line')}"
    bundle(suse, **{"fs-iscsi_dot_txt": text, "mpio_dot_txt": posted("multipath-ll")})
    for folder in (sos, suse):
        listing = read_capture(packed(tmp_path / f"{folder.name}.tar.xz", folder))
        assert listing.sessions == read_capture(folder).sessions
        assert [session.sid for session in listing.sessions] == [1]


def test_of_the_archive_of_a_bundle_only_outputs_are_unpacked_and_no_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "iscsiadm_-m_session").write_text(posted("iscsiadm-version-line"))
    file = tmp_path / "bad.tar"
    with tarfile.open(file, "w") as archive:
        link = tarfile.TarInfo("sosreport-h/sos_commands")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(link)
        for name in ("sosreport-h/sos_commands/multipath_-ll", "../lsblk", f"{outside}/lsblk"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(UsageError):
        read_capture(file)
    assert [one.name for one in outside.iterdir()] == ["iscsiadm_-m_session"]
    assert not (tmp_path / "lsblk").exists()


@pytest.mark.fault("F109")
def test_a_bundle_without_a_list_of_sessions_does_not_say_that_there_are_none(
    tmp_path: Path,
) -> None:
    bundle(tmp_path, **{"sos_commands__multipath__multipath_-ll": posted("multipath-ll")})
    listing = read_capture(tmp_path)
    assert listing.capture is not None
    assert not listing.capture.tells_sessions
    assert len(listing.capture.disks or ()) == 2


@pytest.mark.fault("F109")
def test_outputs_are_read_whatever_names_somebody_saved_them_under(tmp_path: Path) -> None:
    files = {
        "1_dot_txt": posted("iscsiadm-version-line"),
        "db1__mp": posted("multipath-ll"),
        "nodes": posted("node-P1"),
        "notes_dot_txt": "call the array's support\n",
        "a__b__deep": posted("lsblk"),
    }
    bundle(tmp_path, **files)
    (tmp_path / "link").symlink_to(tmp_path / "1.txt")
    listing = read_capture(tmp_path)
    assert [session.sid for session in listing.sessions] == [1]
    assert listing.capture is not None
    assert len(listing.capture.disks or ()) == 2
    assert len(listing.capture.records or ()) == 4


@pytest.mark.fault("F109")
def test_a_failed_path_that_two_outputs_of_a_sosreport_tell_is_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "sos_commands" / "multipath"
    maps = posted("multipath-ll-with-paths-out")
    bundle(folder, **{"multipath_-ll": maps, "multipath_-v4_-ll": f"noise\n{maps}"})
    listing = read_capture(tmp_path)
    assert [note.text[:11] for note in listing.warnings] == [
        "map mpatha:",
        "map mpathb:",
        "map mpathc:",
    ]
    assert listing.capture is not None
    assert len(listing.capture.disks or ()) == 4


def test_a_link_in_a_bundle_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(posted("iscsiadm-version-line"))
    folder = tmp_path / "b" / "sos_commands" / "iscsi"
    folder.mkdir(parents=True)
    (folder / "iscsiadm_-m_session").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IscsictlError, match="neither"):
        read_capture(tmp_path / "b")
