"""Edits of iscsid.conf: the defaults of new records."""

from iscsictl.model.secret import Secret
from iscsictl.parse.iscsid_conf import conf_values, edit_conf

CONF = """# comment
#node.session.auth.username = username
node.startup = manual
"""


def test_the_defaults_keep_their_comments() -> None:
    key = "node.session.auth.username"
    text = edit_conf(CONF, {key: "me", "node.session.auth.password": Secret("secret")})
    assert text == (
        "# comment\n#node.session.auth.username = username\nnode.session.auth.username = me\n"
        "node.startup = manual\nnode.session.auth.password = secret\n"
    )
    assert conf_values(text)["node.session.auth.password"] == "********"
    assert edit_conf(text, {key: None, "node.session.auth.password": None}) == CONF
