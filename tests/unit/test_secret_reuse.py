"""Secrets that several targets share, found in records as open-iscsi reads them."""

from pathlib import Path

import pytest

from iscsictl.cli.credentials import judge_account
from iscsictl.cli.options import Settings
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.model.secret import Secret
from iscsictl.model.spec import Account
from iscsictl.system.iscsi import secret_reuse
from tests.unit.fake_root import put

A, B = "iqn.2001-04.com.example:a", "iqn.2001-04.com.example:b"


def record(root: Path, target: str, line: str) -> NodeRecord:
    path = put(root, target, f"# BEGIN RECORD 2.1.8\n{line}\n# END RECORD\n")
    return NodeRecord(path, {}, target=target, portal=Portal("192.0.2.5"))


@pytest.mark.parametrize(
    "line",
    [
        "node.session.auth.password = one secret",
        "node.session.auth.password   =   one secret",
        "node.session.auth.password\t \t=\tone secret  ",
        "  node.session.auth.password_in = one secret",
        "node.session.auth.password==one secret",
    ],
)
def test_a_shared_secret_is_found_with_any_blanks_around_the_sign(
    tmp_path: Path, line: str
) -> None:
    records = (
        record(tmp_path, A, "node.session.auth.password = one secret"), record(tmp_path, B, line)
    )  # fmt: skip
    assert secret_reuse.groups_sharing_a_secret(records) == ((A, B),)
    assert secret_reuse.others_with(Secret("one secret"), records) == (A, B)


@pytest.mark.parametrize(
    "line",
    [
        "node.session.auth.password = another",
        "node.session.auth.password=one secret",
        "# node.session.auth.password = one secret",
        "node.session.auth.password_in_all = one secret",
    ],
    ids=["another", "a line without a value to open-iscsi", "a comment", "another key"],
)
def test_what_open_iscsi_does_not_take_for_that_secret_is_not_shared(
    tmp_path: Path, line: str
) -> None:
    records = (
        record(tmp_path, A, "node.session.auth.password = one secret"), record(tmp_path, B, line)
    )  # fmt: skip
    assert secret_reuse.groups_sharing_a_secret(records) == ()


@pytest.mark.parametrize(("own", "told"), [("another", True), ("one secret for two", False)])
def test_a_shared_secret_is_warned_about_when_it_comes_and_not_each_time_it_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], own: str, told: bool
) -> None:
    given = Account("myaccount", Secret("one secret for two"))
    for target, secret in ((A, own), (B, "one secret for two")):
        name = f"etc/iscsi/nodes/{target}/192.0.2.5,3260,1/default"
        line = f"node.session.auth.password = {secret}"
        put(tmp_path, name, f"# BEGIN RECORD 2.1.8\nnode.name = {target}\n{line}\n# END RECORD\n")
    judge_account(Settings(root=tmp_path), given, A)
    assert (f"the same secret is used for {B}" in capsys.readouterr().err) is told
