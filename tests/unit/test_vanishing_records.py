"""A record that another process removes while iscsiadm walks through all of them."""

import pytest

from iscsictl.errors import IscsictlError
from iscsictl.model.names import Portal
from iscsictl.system.io.process import Result
from iscsictl.system.iscsi import iscsiadm, session_view

KEY = iscsiadm.Key("iqn.2001-04.com.example:mail", Portal("192.0.2.5"), "default")
# What open-iscsi 2.1.8 says, in the first line or only in the second.
GONE = "iface iter could not read dir /etc/iscsi/nodes/iqn.2001-04.com.example:db/192.0.2.5,3260,1."
WHOLE = "Could not execute operation on all records: encountered iSCSI database failure"
LOCKED = f"iscsiadm: Timeout on acquiring lock on DB: /run/lock/iscsi/lock.write\niscsiadm: {WHOLE}"


def answer(monkeypatch: pytest.MonkeyPatch, *results: tuple[int, str]) -> list[list[str]]:
    """Have iscsiadm end so, one time after the other; return how it was called."""
    left, called = list(results), list[list[str]]()

    def run(argv: list[str], **_: object) -> Result:
        called.append(argv)
        code, said = left.pop(0) if len(left) > 1 else left[0]
        return Result(tuple(argv), code, "", said)

    monkeypatch.setattr(iscsiadm, "run", run)
    monkeypatch.setattr(session_view, "run_iscsiadm", lambda *_, **__: None)
    return called


@pytest.mark.fault("F02")
@pytest.mark.parametrize("said", [f"iscsiadm: {GONE}\n", f"iscsiadm: {WHOLE}\n"])
def test_iscsiadm_is_run_again_after_it_met_a_record_that_went_away(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    called = answer(monkeypatch, (6, said), (6, said), (0, ""))
    iscsiadm.delete_record(KEY, timeout=9)
    assert len(called) == 3
    assert called[0] == called[1] == called[2]
    called = answer(monkeypatch, (6, said), (15, "iscsiadm: session exists"))
    assert not iscsiadm.login(KEY, timeout=9)
    assert len(called) == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [(6, LOCKED), (6, "iscsiadm: could not open the record"), (1, f"iscsiadm: {GONE}")],
)
def test_other_failures_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    called = answer(monkeypatch, (code, said))
    with pytest.raises(IscsictlError) as raised:
        iscsiadm.delete_record(KEY, timeout=9)
    assert raised.value.tool_exit == code
    assert len(called) == 1


def test_a_database_that_cannot_be_read_is_not_tried_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called = answer(monkeypatch, (6, f"iscsiadm: {GONE}"))
    with pytest.raises(IscsictlError, match="database failure"):
        iscsiadm.delete_record(KEY, timeout=9)
    assert 1 < len(called) < 20
