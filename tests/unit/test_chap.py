"""`chap` on a discovery record: the digests stand where open-iscsi looks for them."""

import json
from pathlib import Path

import pytest

from tests.commands import call

PORTAL = "192.0.2.5:3260"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "etc/iscsi/send_targets/192.0.2.5,3260/st_config"
    path.parent.mkdir(parents=True)
    path.write_text(
        "# BEGIN RECORD 2.1.11\n"
        "discovery.startup = manual\n"
        "discovery.type = sendtargets\n"
        "discovery.sendtargets.address = 192.0.2.5\n"
        "discovery.sendtargets.port = 3260\n"
        "discovery.sendtargets.auth.authmethod = None\n"
        "node.session.auth.chap_algs = MD5\n"
        "# END RECORD\n"
    )
    path.chmod(0o600)
    return path


def shown(root: Path) -> list[str]:
    answer = call(["chap", "show", "-o", "json"], root, uid=0)
    assert answer.code == 0, answer.err
    (account,) = (a for a in json.loads(answer.out)["accounts"] if a["for"] == "discovery")
    return list(account["algorithms"])


def test_algorithms_of_discovery_are_under_the_key_of_open_iscsi(
    record: Path, tmp_path: Path
) -> None:
    before = record.read_text()
    assert shown(tmp_path) == ["MD5"]
    words = ["chap", "set", "--discovery", PORTAL, "--algorithms", "sha256,md5", "--yes"]
    answer = call(words, tmp_path, uid=0)
    assert answer.code == 0, answer.err
    assert record.read_text() == before.replace("= MD5", "= SHA256,MD5")
    assert shown(tmp_path) == ["SHA256", "MD5"]


def test_a_new_discovery_record_gets_nothing_but_what_was_given(tmp_path: Path) -> None:
    words = ["chap", "set", "--discovery", PORTAL, "--algorithms", "md5", "--dry-run"]
    said = call(words, tmp_path, uid=0).out
    assert "(sets node.session.auth.chap_algs=MD5)" in said
