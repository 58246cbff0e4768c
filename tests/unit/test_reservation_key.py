"""The reservation key of a host, and the initiator names by which arrays know it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from iscsictl.model.reservation import format_key
from iscsictl.system.block.reservation_key import APPLICATION_ID, is_own_initiator, read_own_key
from tests.unit.reserving_lun import (
    ID,
    MINE,
    OTHER_ID,
    make_host,
    own_key,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of this host."""
    return make_host(tmp_path / "mine", MINE, ID)


def test_the_key_is_what_systemd_derives_from_the_machine_id(root: Path) -> None:
    tool = shutil.which("systemd-id128")
    if tool is None or not Path("/etc/machine-id").read_text(encoding="ascii").strip():
        pytest.skip("no systemd-id128, or no machine-id here")
    command = [tool, "machine-id", f"--app-specific={APPLICATION_ID}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (root / "etc/machine-id").write_bytes(Path("/etc/machine-id").read_bytes())
    assert format_key(own_key(root)) == f"0x{printed[:16]}"


def test_hosts_differ_in_their_keys_and_one_without_a_machine_id_has_none(tmp_path: Path) -> None:
    one, other = (make_host(tmp_path / i, MINE, i) for i in (ID, OTHER_ID))
    assert own_key(one) != own_key(other)
    for text in ("", "uninitialized\n", ID[:-1], f"{ID}{ID}"):
        (one / "etc/machine-id").write_text(text, encoding="ascii")
        assert read_own_key(one) is None
    (one / "etc/machine-id").unlink()
    assert read_own_key(one) is None


def test_the_names_of_this_host_are_those_of_its_sessions_and_of_its_file(root: Path) -> None:
    session = root / "sys/class/iscsi_session/session3"
    session.mkdir(parents=True)
    (session / "initiatorname").write_text("iqn.2024-01.com.example:iface\n", encoding="ascii")
    assert is_own_initiator(MINE, root)
    assert is_own_initiator("iqn.2024-01.com.example:iface", root)
    assert not is_own_initiator("iqn.2024-01.com.example:other", root)
    assert not is_own_initiator("", root)
