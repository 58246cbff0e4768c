"""Exit codes and errors for what iscsiadm, the kernel and targets report."""

import pytest

from iscsictl import errors
from iscsictl.errors import Exit
from iscsictl.errors.codes import error_from_iscsiadm, every, exit_for_iscsiadm, table

# The contract in the README, "Exit codes".
CONTRACT = {
    0: Exit.DONE,
    13: Exit.NEEDS_ROOT,
    24: Exit.AUTH,
    **dict.fromkeys((4, 8, 11, 23, 29, 32, 33), Exit.UNREACHABLE),
    28: Exit.IN_USE,
    **dict.fromkeys((12, 18, 20), Exit.MISSING),
    15: Exit.DONE,
    21: Exit.NOT_FOUND,
}


@pytest.mark.parametrize("code", [*range(34), 255])
def test_each_exit_code_of_iscsiadm_leads_to_the_exit_code_of_the_contract(code: int) -> None:
    if code in {5, 19}:
        assert exit_for_iscsiadm(code) in {Exit.AUTH, Exit.NOT_FOUND, Exit.UNREACHABLE}
    else:
        assert exit_for_iscsiadm(code) == CONTRACT.get(code, Exit.ERROR)


@pytest.mark.parametrize(
    ("text", "exit_code"),
    [
        ("iscsid: conn 0 login rejected: initiator error - target not found (02/03)", 3),
        ("conn 0 login rejected: initiator error (02/04)", 3),
        ("session 1 login rejected: Initiator failed authentication with target", 5),
        ("conn 0 login rejected: initiator failed authorization with target", 5),
        ("conn 0 login rejected: initiator error (02/02), non-retryable, giving up", 5),
        ("discovery login to 192.0.2.1 rejected: initiator failed authorization", 5),
        ("conn 0 login rejected: target error (03/01)", 6),
        ("conn 0 login rejected: target error (03/7f)", 6),
        ("login response with unknown status class 0x3, detail 0x2", 6),
        ("conn 0 login rejected: initiator error (02/00)", 1),
    ],
)
@pytest.mark.parametrize("code", [5, 19])
def test_a_refused_login_goes_by_its_status(code: int, text: str, exit_code: int) -> None:
    assert exit_for_iscsiadm(code, text) == exit_code


def test_the_last_status_of_a_log_counts() -> None:
    text = "target error (03/01)\ninitiator error - target not found (02/03)\n"
    assert exit_for_iscsiadm(19, text) == Exit.NOT_FOUND


def test_a_status_in_the_text_changes_no_other_code() -> None:
    assert exit_for_iscsiadm(8, "target not found (02/03)") == Exit.UNREACHABLE


def test_an_unknown_code_is_an_error() -> None:
    assert exit_for_iscsiadm(77) == Exit.ERROR
    assert exit_for_iscsiadm(-9) == Exit.ERROR


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (24, errors.AuthError),
        (8, errors.UnreachableError),
        (20, errors.MissingError),
        (28, errors.InUseError),
        (21, errors.NotFoundError),
        (6, errors.IscsictlError),
    ],
)
def test_the_error_has_the_class_of_its_exit_code(
    code: int, kind: type[errors.IscsictlError]
) -> None:
    error = error_from_iscsiadm(code, "", "login to iqn.2001-04.com.example:a")
    assert type(error) is kind
    assert error.exit == exit_for_iscsiadm(code)
    assert error.tool_exit == code
    assert error.text.startswith("login to iqn.2001-04.com.example:a: ")
    assert error.hint == table("iscsiadm")[code].fix


def test_the_error_tells_the_login_status_rather_than_the_code() -> None:
    error = error_from_iscsiadm(19, "login rejected: target not found (02/03)", "login to a")
    assert "no such target" in error.text
    assert "0203" in error.text
    assert error.exit == Exit.NOT_FOUND


def test_a_vague_code_carries_the_line_of_iscsiadm_itself() -> None:
    stderr = "iscsiadm: Invalid port 99999\niscsiadm: initiator reported error (7 - x)\n"
    error = error_from_iscsiadm(7, stderr, "discovery at a")
    assert error.text == "discovery at a: invalid parameter: Invalid port 99999 (iscsiadm 7)"


def test_every_error_is_one_line() -> None:
    for code in [*range(-15, 40), 255]:
        assert "\n" not in error_from_iscsiadm(code, "iscsiadm: a\nb\n", "doing").text


def test_a_tool_that_was_killed_is_said() -> None:
    assert "killed by signal 9" in error_from_iscsiadm(-9, "", "login").text


def test_the_tables_are_complete() -> None:
    assert set(table("iscsiadm")) == {*range(34), 255}
    assert set(table("kernel")) == set(range(1000, 1023))
    assert {0x0201, 0x0202, 0x0203, 0x0204, 0x0300, 0x0301, 0x0302} <= set(table("login"))
    for cause in every():
        assert cause.meaning
        assert cause.usual_cause
        assert cause.fix
        assert not cause.fix.endswith(".")
