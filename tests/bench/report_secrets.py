"""Count the secrets in the archives of `report` and of sos: python -m tests.bench.report_secrets.

One host has 30 secrets in its node database, and others in iscsid.conf, as iscsiadm and an admin
write them. Each of both tools then writes its archive, which is searched for every secret in every
spelling that a tool could have given it. An argument names the suite; the default is bookworm.
"""

import io
import json
import shlex
import sys
import tarfile
from collections import Counter
from collections.abc import Mapping
from urllib.parse import quote

from tests.bench import peers
from tests.lab.array import A4
from tests.lab.guest import Guest
from tests.lab.pair import Lab

#: A part that no other secret has is put for `{}`.
SECRETS = (
    "plain-secret-{}",
    "with blank inside {}",
    " leading and trailing {} ",
    "it's 'quoted' {} twice",
    'a "double" {} quote',
    "back\\slash\\{}",
    "Grüße-aus-Köln-{}",
    "秘密の言葉です{}",
    "#begins-with-a-hash-{}",
    "semi;colon&amp%25-{}",
)
#: Where a secret stands: the record's kind, and the setting.
PLACES = {
    "node": ("node", "node.session.auth.password"),
    "mutual": ("node", "node.session.auth.password_in"),
    "discovery": ("discoverydb", "discovery.sendtargets.auth.password"),
}
CONF = "/etc/iscsi/iscsid.conf"
IQN = "iqn.2001-04.com.example:report"
OURS, SOS = "/root/report.tar.gz", "/root/sos"
#: The plugins that collect what concerns iSCSI; all of them would take an emulated host an hour.
PLUGINS = "iscsi,multipath,filesys,block,scsi,logs,systemd"
PATIENCE = 1200.0


def main() -> None:
    """Print how many secrets of each place each archive has. Ours must have none."""
    suite = sys.argv[1] if len(sys.argv) > 1 else "bookworm"
    with Lab.start(suite) as lab:
        lab.install_project()
        peers.unpack(lab.host, lab.image, ("sosreport",))
        secrets = write_secrets(lab.host)
        ours = archive_of(lab.host, f"iscsictl report {OURS}", OURS)
        sos = f"mkdir {SOS} && sos report --batch --quiet --tmp-dir {SOS} -o {PLUGINS}"
        theirs = archive_of(lab.host, sos, f"{SOS}/*.tar.*")
        asked = lab.host.run(["python3", "-c", "import sos; print(sos.__version__)"], check=True)
    found = {"report": count_secrets(ours, secrets), "sos": count_secrets(theirs, secrets)}
    print(f"{suite}: secrets that are in the archive; sos is {asked.out.strip()}")
    for place, values in secrets.items():
        each = ", ".join(f"{name} {counts[place]}" for name, counts in found.items())
        print(f"{place:<12}of {len(values)}: {each}", flush=True)
    if found["report"].total():
        raise SystemExit(1)


def write_secrets(host: Guest) -> Mapping[str, list[str]]:
    """Put the secrets into the records and iscsid.conf; return them by their places."""
    secrets: dict[str, list[str]] = {}
    for place, (mode, setting) in PLACES.items():
        secrets[place] = [one.format(f"{place}{n:02}") for n, one in enumerate(SECRETS)]
        for number, secret in enumerate(secrets[place]):
            if mode == "node":
                record = ["-m", mode, "-T", f"{IQN}.{place}{number}", "-p", A4]
            else:
                record = ["-m", mode, "-t", "st", "-p", f"192.0.2.{100 + number}"]
            host.run(["iscsiadm", *record, "-o", "new"], check=True)
            update = ["-o", "update", "-n", setting, "-v", secret]
            host.run(["iscsiadm", *record, *update], check=True)
    keys = ("node.session.auth.password", "node.session.auth.password_in",
            "discovery.sendtargets.auth.password")  # fmt: skip
    secrets["iscsid.conf"] = [f"default secret {number}" for number in range(len(keys))]
    lines = (f"{key} = {value}\n" for key, value in zip(keys, secrets["iscsid.conf"], strict=True))
    host.put(CONF, f"{host.text(CONF)}{''.join(lines)}", 0o600)
    return secrets


def archive_of(host: Guest, command: str, path: str) -> bytes:
    """Run a command and return the archive that it wrote; `path` may have wildcards."""
    host.run(command, check=True, timeout=PATIENCE)
    name = host.run(f"ls {path} | grep -E 'tar[.][a-z0-9]+$'", check=True).out.strip()
    return host.get(name)


def count_secrets(archive: bytes, secrets: Mapping[str, list[str]]) -> Counter[str]:
    """Count, by place, the secrets that some file of an archive has."""
    content = bytearray()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        # Without the files themselves it would prove nothing that their secrets are not there.
        assert any(name.endswith(CONF) for name in tar.getnames())
        for member in tar:
            stream = tar.extractfile(member) if member.isreg() else None
            if stream is not None:
                content += stream.read()
    return Counter(
        place
        for place, values in secrets.items()
        for value in values
        if any(one.encode() in content for one in spellings(value.strip()))
    )


def spellings(secret: str) -> set[str]:
    """Return how a secret may be written: plain, in JSON, Python, a URL or a shell."""
    return {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret),
            shlex.quote(secret)}  # fmt: skip


if __name__ == "__main__":
    main()
