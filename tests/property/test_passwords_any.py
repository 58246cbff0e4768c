"""Any text can be judged, and what is generated is always good."""

from hypothesis import given, settings
from hypothesis import strategies as st

from iscsictl.checks.secret_strength import ALPHABET, generate_secret, is_refused, judge_secret
from iscsictl.model.secret import Secret


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.none() | st.text(max_size=20), st.booleans())
def test_any_text_is_judged_without_being_shown(text: str, user: str | None, made: bool) -> None:
    mark = "q7Zx9Kp"  # in no sentence of ours, as a drawn text may be
    for secret in (text, text + mark):
        verdicts = judge_secret(secret, user=user, made=made)
        assert len({verdict.id for verdict in verdicts}) == len(verdicts)
        assert not any(mark in verdict.text for verdict in verdicts)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_what_is_not_refused_can_be_kept_in_a_record(text: str) -> None:
    if not is_refused(judge_secret(text, made=False)):
        Secret(text)


def test_a_generated_secret_is_never_refused_nor_warned_about() -> None:
    for _ in range(50):
        text = generate_secret().reveal()
        assert len(text) == 16
        assert set(text) <= set(ALPHABET)
        assert {v.level for v in judge_secret(text, user="admin", made=True)} <= {"note"}


def test_generated_secrets_differ() -> None:
    assert len({generate_secret() for _ in range(200)}) == 200
