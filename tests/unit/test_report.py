"""report: what a colleague needs, and no secret, wherever it stands and however it is written."""

import io
import json
import shlex
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import assume, given
from hypothesis import strategies as st

from iscsictl.cli.main import cli
from iscsictl.errors import IscsictlError
from iscsictl.parse.secret_filter import STRUCK, SecretFilter, find_secrets
from iscsictl.system.iscsi.report_archive import PREFIX
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.iscsi.sosreport import read_capture
from tests.bench.make_tree import make
from tests.unit.fake_root import put

SECRETS = [
    "plain-secret-0001",
    "with blank inside 02",
    " leading and trailing ",
    "it's 'quoted' twice",
    'a "double" quote',
    "back\\slash\\003",
    "Grüße-aus-Köln-04",
    "秘密の言葉です05",
    "#begins-with-a-hash",
    "semi;colon&amp%25",
]
#: Where a secret of a host stands: the file, and the line of it.
PLACES = {
    "record": ("etc/iscsi/nodes/iqn.x/192.0.2.5,3260,1/default",
               "node.session.auth.username = me\nnode.session.auth.password = {}\nnode.tpgt = 1\n"),
    "mutual": ("var/lib/iscsi/nodes/iqn.y/192.0.2.5,3260,1/default",
               "node.session.auth.password_in = {}\n"),
    "discovery": ("etc/iscsi/send_targets/192.0.2.5,3260/st_config",
                  "discovery.sendtargets.auth.password = {}\n"),
}  # fmt: skip


def text_of(archive: Path) -> dict[str, bytes]:
    """The content of each file by its name."""
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is not None:
                found[member.name] = content.read()
    return found


def written(root: Path, *words: str) -> Path:
    file = root / "report.tar.gz"
    result = CliRunner().invoke(
        cli, ["report", str(file), *words], env={"ISCSICTL_ROOT": str(root)}
    )
    assert result.exit_code == 0, result.output
    return file


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_of_a_host_is_in_the_archive(tmp_path: Path, place: str, secret: str) -> None:
    name, line = PLACES[place]
    put(tmp_path, name, line.format(secret))
    # It turned up elsewhere too: in a comment, in another file, quoted by a tool.
    put(tmp_path, "etc/iscsi/iscsid.conf", f"#node.session.auth.password = {secret}\nx = 1\n")
    put(
        tmp_path, "etc/fstab", f"# was {secret.strip()}\n//nas/x /m cifs user=u,pass=aB3dE5gH 0 0\n"
    )
    put(tmp_path, "etc/multipath.conf", f"# {shlex.quote(secret)} {json.dumps(secret)}\n")
    put(tmp_path, "etc/multipath/x", f"{quote(secret)} {secret.strip()!r}\n")
    put(tmp_path, "sys/class/iscsi_session/session1/password", f"{secret}\n")
    archive = written(tmp_path)
    texts = text_of(archive)
    assert f"{PREFIX}/{name}" in texts
    assert f"{PREFIX}/sys/class/iscsi_session/session1/password" not in texts
    inside = b"\n".join(texts.values())
    spellings = {secret.strip(), json.dumps(secret.strip())[1:-1], quote(secret.strip()),
                 repr(secret.strip())[1:-1], shlex.quote(secret.strip())}  # fmt: skip
    assert [one for one in (*spellings, "aB3dE5gH") if one.encode() in inside] == []
    # The keys stay: that there is a secret is a fact, and so are the other lines.
    struck, other = texts[f"{PREFIX}/etc/iscsi/iscsid.conf"].splitlines()
    assert struck.split() == [b"#node.session.auth.password", b"=", STRUCK]
    assert other == b"x = 1"
    assert archive.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_only_the_kernel_has_is_struck_too(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/iscsi_session/session1/password_in", "only-in-sysfs-99\n")
    put(tmp_path, "sys/firmware/ibft/target0/chap-secret", "only-in-firmware-88\n")
    put(tmp_path, "etc/fstab", "# only-in-sysfs-99 only-in-firmware-88\n")
    assert text_of(written(tmp_path))[f"{PREFIX}/etc/fstab"] == b"# <struck> <struck>\n"


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=4, max_size=40))
def test_whatever_the_secret_is_it_does_not_survive_behind_its_key(secret: str) -> None:
    # Of a secret that is a part of the key itself the key is struck too.
    key = "node.session.auth.password = "
    assume(not secret.strip() or secret.strip() not in key)
    data = f"a = 1\n{key}{secret}\nb = 2\n".encode()
    struck = SecretFilter(find_secrets(data)).strike(data)
    # Blanks before a secret are no part of it: iscsid leaves them out as well.
    kept, _, value = struck.splitlines()[1].partition(b"= ")
    assert kept == b"node.session.auth.password "
    # Nothing but blanks, or open-iscsi's own mask, may stay.
    assert value.lstrip() == STRUCK or struck == data
    if secret.strip() and set(secret) != {"*"} and secret.strip() not in {"<empty>", "<struck>"}:
        assert STRUCK in struck


def test_ls_shows_a_report_like_the_host_itself(tmp_path: Path) -> None:
    root = tmp_path / "host"
    make(root, 3)
    listing = read_capture(written(root))
    live = read_listing(root)
    assert [s.target for s in listing.sessions] == [s.target for s in live.sessions]
    assert [d.wwid for d in listing.disks or ()] == [d.wwid for d in live.disks or ()]
    assert len(listing.disks or ()) == 3


@pytest.mark.parametrize("name", ["../escaped", "/etc/escaped", f"{PREFIX}/../escaped", "other/x"])
def test_an_archive_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "bad.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(IscsictlError) as caught:
        read_capture(file)
    assert "such as a sosreport, and give the directory" in (caught.value.hint or "")
    assert not (tmp_path / "escaped").exists()


def test_a_link_in_an_archive_makes_nothing_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    file = tmp_path / "bad.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        link = tarfile.TarInfo(f"{PREFIX}/sys")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        tar.addfile(link)
        inner = tarfile.TarInfo(f"{PREFIX}/sys/class")
        tar.addfile(inner, io.BytesIO())
    with pytest.raises(IscsictlError):
        read_capture(file)
    assert list(outside.iterdir()) == []


def test_without_names_a_report_tells_the_same_of_other_names(tmp_path: Path) -> None:
    root = tmp_path / "host"
    make(root, 3)
    live = read_listing(root)
    targets = [session.target for session in live.sessions]
    place = f"{targets[0]}/10.11.12.13,3260,1"
    put(
        root,
        f"etc/iscsi/nodes/{place}/default",
        f"node.name = {targets[0]}\nnode.session.auth.username = mary.jones\n"
        "node.conn[0].address = 10.11.12.13\nnode.discovery_address = fd00:1:2::3\n",
    )
    put(root, "etc/fstab", f"/dev/disk/by-path/ip-10.11.12.13:3260-iscsi-{targets[0]}-lun-0 /x\n")
    (session, *_) = (root / "sys/class/iscsi_session").iterdir()
    (session / "username").write_text("only-in-sysfs\n")
    archive = written(root, "--no-names")
    with tarfile.open(archive) as tar:
        names = "\n".join(tar.getnames())
    inside = b"\n".join(text_of(archive).values()) + names.encode()
    for name in (*targets, "10.11.12.13", "fd00:1:2::3", "mary.jones", "only-in-sysfs"):
        assert name.encode() not in inside
    listing = read_capture(archive)
    assert len({session.target for session in listing.sessions}) == len(set(targets))
    assert [d.wwid for d in listing.disks or ()] == [d.wwid for d in live.disks or ()]
    # What belongs together has one stand-in.
    stand_in = listing.sessions[0].target
    texts = text_of(archive)
    (record,) = [name for name in texts if "/nodes/" in name]
    assert f"/{stand_in}/" in record
    assert f"node.name = {stand_in}\n".encode() in texts[record]
    assert f"-iscsi-{stand_in}-lun-0 /x".encode() in texts[f"{PREFIX}/etc/fstab"]
