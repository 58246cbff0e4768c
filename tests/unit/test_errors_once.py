"""A failure is said once: one line for each cause, and one for the run."""

import pytest

from iscsictl.errors import AuthError, Exit, IscsictlError, MissingError, UnreachableError
from iscsictl.planner.builder import error_cause, error_lines, summarize_errors

IQN = "iqn.2001-04.com.example:array.t1"
SILENT = "portal does not answer: no answer within 10 s"


def silent(portal: str, target: str = IQN) -> UnreachableError:
    return UnreachableError(f"{target}: portal {portal} does not answer: no answer within 10 s")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"{IQN}: portal 192.0.2.5:3260 does not answer: no answer within 10 s", SILENT),
        (f"{IQN}: portal [2001:db8::5]:3260,1 does not answer: no answer within 10 s", SILENT),
        (
            f"logging in to {IQN} through 192.0.2.5:3260: iscsid (pid 7) is stopped",
            "logging in: iscsid (pid 7) is stopped",
        ),
        (
            f"the session to {IQN} through 192.0.2.5:3260 is recovering: iscsid keeps trying",
            "the session is recovering: iscsid keeps trying",
        ),
        (
            "the array does not answer (192.0.2.5:3260: no route; [2001:db8::5]:3260: no answer)",
            "the array does not answer (no route; no answer)",
        ),
        ("mkfs.ext4: no space", "mkfs.ext4: no space"),
        ("version 2.1.8 is too old", "version 2.1.8 is too old"),
        (IQN, IQN),
    ],
)
def test_the_cause_is_the_text_without_target_and_portal(text: str, cause: str) -> None:
    assert error_cause(IscsictlError(text)) == cause


def test_many_failures_of_one_cause_are_one_line() -> None:
    errors = {
        f"login:iqn.x:{number} 192.0.2.5:3260": MissingError(
            f"logging in to iqn.x:{number} through 192.0.2.5:3260: iscsid does not answer"
        )
        for number in range(18)
    }
    error = summarize_errors(errors, 18)
    assert error is not None
    assert error.text == "all 18 failed: logging in: iscsid does not answer"
    assert error.exit is Exit.MISSING
    assert error_lines(errors) == ()


def test_each_of_several_causes_is_one_line_and_names_what_it_hit() -> None:
    parts = [f"login:{IQN} 192.0.2.{number}:3260" for number in range(6)]
    errors: dict[str, IscsictlError] = {part: silent(part.partition(" ")[2]) for part in parts[:5]}
    errors[parts[5]] = AuthError(f"logging in to {IQN} through 192.0.2.5:3260: refused")
    first = ", ".join(f"login {IQN} 192.0.2.{number}:3260" for number in range(3))
    assert error_lines(errors) == (
        f"{first} and 2 more: {SILENT}",
        f"login {IQN} 192.0.2.5:3260: logging in: refused",
    )
    error = summarize_errors(errors, 9)
    assert error is not None
    assert error.text == "6 of 9 failed"
    assert error.exit is Exit.PARTIAL


def test_one_failure_of_several_is_told_by_the_summary_alone() -> None:
    errors = {f"login:{IQN} 192.0.2.5:3260": silent("192.0.2.5:3260")}
    error = summarize_errors(errors, 3)
    assert error is not None
    assert error.text == f"1 of 3 failed: {silent('192.0.2.5:3260').text}"
    assert error_lines(errors) == ()


def test_a_volume_is_named_by_its_name_and_alone_with_its_portal() -> None:
    one, other = silent("192.0.2.5:3260"), silent("192.0.2.6:3260")
    errors: dict[str, IscsictlError] = {"mail": one, "web": AuthError("no")}
    assert error_lines(errors) == (f"mail: {one.text}", "web: no")
    assert error_lines({**errors, "db": other}) == (f"mail, db: {SILENT}", "web: no")


def test_what_several_volumes_have_in_common_is_said_with_the_portal() -> None:
    text = "the array does not answer (192.0.2.5:3260: no answer within 10 s)"
    errors: dict[str, IscsictlError] = {name: UnreachableError(text) for name in ("mail", "db")}
    error = summarize_errors(errors, 2, "volumes")
    assert error is not None
    assert error.text == f"all 2 volumes failed: {text}"
    assert error_lines({**errors, "web": AuthError("no")}) == (f"mail, db: {text}", "web: no")
