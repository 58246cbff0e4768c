"""iscsiadm makes the directory of its lock; two that do so at once are not both to fail."""

import pytest

from iscsictl.errors import IscsictlError
from iscsictl.model.names import Portal
from iscsictl.system.io.process import Result
from iscsictl.system.iscsi import iscsiadm

KEY = iscsiadm.Key("iqn.2026-01.example:a", Portal("192.0.2.5"), "default")
# As iscsiadm 2.1.8 says it.
LATE = (
    "iscsiadm: Could not open /run/lock/iscsi: File exists\niscsiadm: Could not add new record.\n"
)
DENIED = "iscsiadm: Could not open /run/lock/iscsi: Permission denied\n"
DONE = Result(("iscsiadm",), 0, "New iSCSI node added\n", "")


def new_record(monkeypatch: pytest.MonkeyPatch, results: list[Result]) -> int:
    """Make a record with an iscsiadm that ends like this; return how many times it was started."""
    left = iter(results)
    started: list[list[str]] = []

    def run(argv: list[str], **_: object) -> Result:
        started.append(argv)
        return next(left)

    monkeypatch.setattr(iscsiadm, "run", run)
    iscsiadm.new_record(KEY, timeout=1)
    return len(started)


def test_one_that_came_late_is_run_again_now_that_the_directory_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert new_record(monkeypatch, [Result(("iscsiadm",), 6, "", LATE), DONE]) == 2


@pytest.mark.parametrize("results", [[DENIED], [LATE] * 10])
def test_any_other_trouble_with_the_lock_is_an_error(
    monkeypatch: pytest.MonkeyPatch, results: list[str]
) -> None:
    ends = [Result(("iscsiadm",), 6, "", text) for text in results]
    with pytest.raises(IscsictlError) as raised:
        new_record(monkeypatch, ends)
    assert raised.value.tool_exit == 6
