import shutil
from pathlib import Path

import pytest

from iscsictl.errors import IscsictlError
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
    with pytest.raises(IscsictlError, match=r"iscsiadm_-m_session_-P_3:1: nothing in it") as error:
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
