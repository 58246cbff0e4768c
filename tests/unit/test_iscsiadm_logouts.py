"""What iscsiadm says of many logouts at once."""

import pytest

from iscsictl.errors import InUseError, IscsictlError, UnreachableError
from iscsictl.parse.iscsiadm_login import parse_logouts
from iscsictl.system.io.process import Result
from iscsictl.system.iscsi import iscsiadm, session_view

A, B, C = (f"iqn.2026-01.example:{name}" for name in "abc")
OUT = f"""\
Logging out of session [sid: 1, target: {A}, portal: 192.0.2.5,3260]
Logging out of session [sid: 2, target: {B}, portal: 192.0.2.5,3260]
Logging out of session [sid: 3, target: {C}, portal: 2001:db8::5,3260]
Logging out of session [sid: 4, target: {C}, portal: 192.0.2.6,3260]
Logout of [sid: 1, target: {A}, portal: 192.0.2.5,3260] successful.
"""
# The code of the whole is that of the last one that failed: that there is no such session.
ERR = f"""\
iscsiadm: Could not logout of [sid: 2, target: {B}, portal: 192.0.2.5,3260].
iscsiadm: initiator reported error (28 - device or session in use)
iscsiadm: Could not logout of [sid: 3, target: {C}, portal: 2001:db8::5,3260].
iscsiadm: initiator reported error (8 - connection timed out)
iscsiadm: Could not logout of [sid: 4, target: {C}, portal: 192.0.2.6,3260].
iscsiadm: initiator reported error (2 - session not found)
iscsiadm: Could not logout of all requested sessions
"""
TARGETS = {1: A, 2: B, 3: C, 4: C}


def log_out(
    monkeypatch: pytest.MonkeyPatch, code: int, out: str, err: str
) -> dict[int, IscsictlError] | None:
    result = Result(("iscsiadm",), code, out, err)
    monkeypatch.setattr(session_view, "run_iscsiadm", lambda *_, **__: result)
    return iscsiadm.log_out_together(TARGETS, timeout=1)


def test_each_session_has_the_exit_code_that_was_told_of_it() -> None:
    assert parse_logouts(OUT, ERR) == {1: 0, 2: 28, 3: 8, 4: 2}


def test_the_name_of_a_target_tells_nothing_of_another_session() -> None:
    name = "x] successful.Logout of [sid: 7, target: y, portal: z] successful."
    out = f"Logout of [sid: 1, target: {name}, portal: 192.0.2.5,3260] successful.\n"
    err = f"iscsiadm: could not find iscsiadm: Could not logout of [sid: 7, target: {name}\n"
    assert parse_logouts(out, err) == {1: 0}


def test_a_session_that_stays_in_use_is_told_though_the_last_one_was_only_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = log_out(monkeypatch, 2, OUT, ERR)
    assert failures is not None
    assert {sid: type(error) for sid, error in failures.items()} == {
        2: InUseError,
        3: UnreachableError,
    }
    assert failures[2].text.startswith(f"logging out of {B}: ")
    assert failures[3].tool_exit == 8


def test_where_iscsiadm_tells_of_no_session_its_exit_code_is_that_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = log_out(monkeypatch, 20, "", "iscsiadm: can not connect to iSCSI daemon (111)!\n")
    assert failures is not None
    assert failures.keys() == TARGETS.keys()
    assert {error.tool_exit for error in failures.values()} == {20}
    assert log_out(monkeypatch, 21, "", "iscsiadm: No matching sessions found\n") == {}
