"""Any bytes as one of the old driver's files give an answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.legacy.iscsi_conf import parse_iscsi_conf
from iscsictl.legacy.output import as_json
from iscsictl.legacy.planner import plan_import, recognise

KEYWORDS = st.sampled_from(
    ["DiscoveryAddress", "TargetName", "Subnet", "Username", "Password", "IncomingUsername",
     "IncomingPassword", "LoginTimeout", "IdleTimeout", "ConnFailTimeout", "HeaderDigest",
     "Enabled", "Continuous", "SLPUnicast", "TCPWindowSize", "InitiatorName", "nonsense"]
)  # fmt: skip
LINES = st.builds(
    lambda blanks, keyword, equals, value: f"{blanks}{keyword}{equals}{value}",
    st.sampled_from(["", " ", "\t", "   "]),
    KEYWORDS,
    st.sampled_from(["=", " = ", "= ", ""]),
    st.text(max_size=20) | st.sampled_from(["yes", "5m", '"a b"', "192.0.2.1:860", "10.0.0.0/8"]),
)
TEXTS = st.lists(LINES, max_size=12).map("\n".join)


@pytest.mark.fault("F45")
@given(st.binary(max_size=400))
def test_any_bytes_are_read(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    kind = recognise("", text)
    json.dumps(as_json(plan_import(kind, text, text)))


@pytest.mark.fault("F45")
@given(TEXTS)
def test_any_lines_give_a_plan_with_problems_on_lines_that_exist(text: str) -> None:
    config = parse_iscsi_conf(text)
    last = text.count("\n") + 1
    assert all(1 <= problem.line <= last for problem in config.problems)
    assert all("\n" not in problem.text for problem in config.problems)
    json.dumps(as_json(plan_import("iscsi.conf", text)))


@given(TEXTS)
def test_comments_and_blank_lines_change_nothing(text: str) -> None:
    spread = text.replace("\n", "\n\n   # x\n")
    mine, other = parse_iscsi_conf(text), parse_iscsi_conf(spread)
    assert [(d.address, d.account.username) for d in mine.discovery] == [
        (d.address, d.account.username) for d in other.discovery
    ]
    assert [t.name for t in mine.targets] == [t.name for t in other.targets]
    assert len(mine.problems) == len(other.problems)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=40))
def test_no_password_is_in_the_json_or_in_a_warning(password: str) -> None:
    text = f"DiscoveryAddress=a\n Username=u\n Password=X{password}\nPasswrd=X{password}\n"
    plan = plan_import("iscsi.conf", text)
    assert f"X{password}" not in json.dumps(as_json(plan))
    assert f"X{password}" not in repr(plan)
