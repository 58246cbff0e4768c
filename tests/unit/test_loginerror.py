"""Whose fault a login is that failed for good."""

from pathlib import Path

import pytest

from iscsictl.errors import AuthError, Exit, IscsictlError, UnreachableError
from iscsictl.errors.codes import error_from_iscsiadm
from iscsictl.model.inventory import DiscoveredTarget
from iscsictl.model.names import Portal
from iscsictl.system.iscsi import iscsiadm
from iscsictl.system.iscsi.iscsiadm import Key
from iscsictl.system.iscsi.login_errors import explained_login
from iscsictl.system.iscsi.nodedb import record_path

IQN = "iqn.2010-10.org.example:a"
PORTAL = Portal("192.0.2.5", 3260, 1)
KEY = Key(IQN, PORTAL, "default")


class Array:
    """What the portal offers, in place of iscsiadm; None for no answer."""

    offered: str | None = IQN

    def discover(self, portal: Portal, **_: object) -> tuple[DiscoveredTarget, ...]:
        if self.offered is None:
            raise UnreachableError("no answer")
        return (DiscoveredTarget(self.offered, portal),)


@pytest.fixture
def array(monkeypatch: pytest.MonkeyPatch) -> Array:
    array = Array()
    monkeypatch.setattr(iscsiadm, "discover", array.discover)
    return array


def kept(tmp_path: Path, *more: str) -> None:
    path = record_path(tmp_path, IQN, PORTAL)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        "# BEGIN RECORD 2.1.8", f"node.name = {IQN}", "iface.iscsi_ifacename = default", *more,
        "node.conn[0].address = 192.0.2.5", "node.conn[0].port = 3260", "# END RECORD",
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")


def met(tmp_path: Path, code: int = 19, stderr: str = "") -> IscsictlError:
    return explained_login(error_from_iscsiadm(code, stderr, "x"), KEY, tmp_path, 5)


MUTUAL = "node.session.auth.password_in = not-to-be-seen"


@pytest.mark.usefixtures("array")
def test_with_mutual_chap_a_target_that_is_there_has_another_secret(tmp_path: Path) -> None:
    kept(tmp_path, MUTUAL)
    error = met(tmp_path)
    assert isinstance(error, AuthError)
    assert error.exit is Exit.AUTH
    assert "the array's own secret" in error.text
    assert "not-to-be-seen" not in f"{error.text} {error.hint}"


def test_without_it_or_without_the_target_it_is_the_target(tmp_path: Path, array: Array) -> None:
    assert met(tmp_path).exit is Exit.NOT_FOUND
    kept(tmp_path)
    assert met(tmp_path).exit is Exit.NOT_FOUND
    kept(tmp_path, MUTUAL)
    array.offered = f"{IQN}b"
    assert met(tmp_path).exit is Exit.NOT_FOUND
    array.offered = None
    assert met(tmp_path).exit is Exit.NOT_FOUND


@pytest.mark.usefixtures("array")
def test_what_is_clear_by_itself_stays(tmp_path: Path) -> None:
    kept(tmp_path, MUTUAL)
    assert met(tmp_path, 8).exit is Exit.UNREACHABLE
    assert "most likely" not in met(tmp_path, 24).text


def test_a_logout_while_iscsid_still_logs_in_is_to_be_tried_again() -> None:
    said = "iscsiadm: initiator reported error (9 - internal error)\n"
    for err in (said, ""):
        hint = error_from_iscsiadm(9, err, "logging out of iqn.x").hint or ""
        assert "try again" in hint
        assert "logging in" in hint
    assert "again" not in (error_from_iscsiadm(9, said, "logging in to iqn.x").hint or "")
