"""What iscsiadm says of logins, made of anything: an answer, and no place told twice."""

from hypothesis import given
from hypothesis import strategies as st

from iscsictl.parse.iscsiadm_login import parse_logins

WORDS = st.sampled_from(
    ["Login to ", "Could not login to ", "[iface: default, target: iqn.2026-01.example:a, portal: ",
     "192.0.2.5,3260]", "[", "]", " successful.", "initiator reported error (", "8 - x)", "\n",
     "9" * 20]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=20).map("".join))


@given(TEXTS, TEXTS)
def test_any_text_has_an_answer(out: str, err: str) -> None:
    done, failed = parse_logins(out, err)
    for iface, target, address, port in (*done, *failed):
        assert f"[iface: {iface}, target: {target}, portal: {address},{port}]" in out + err
