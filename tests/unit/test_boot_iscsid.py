"""Whether iscsid runs after a boot from iSCSI, and can take over the session of the initramfs."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from iscsictl.model.host_facts import Machine
from iscsictl.model.listing import Listing
from tests.commands import call
from tests.unit import healthy_host
from tests.unit.fake_root import put
from tests.unit.healthy_host import db, record, session, unit
from tests.unit.initramfs_image import IQN as ROOT_IQN
from tests.unit.test_boot_check import CHAP_RECORD, ISCSID, bad, machine, made_host, only


def test_a_host_whose_iscsid_nothing_starts_at_boot_is_named() -> None:
    host = machine()
    socket_alone = replace(host, systemd=healthy_host.SOUND.systemd)
    assert only(socket_alone, "boot-iscsid").fix == "systemctl enable iscsid.service"
    # The login service asks iscsid only where it has a record to log in to.
    other = replace(record(), target="iqn.2001-04.com.example:data")
    assert bad(replace(socket_alone, db=db(record(**{"node.startup": "onboot"}), other))) == {}
    units = {"iscsid.service": unit("iscsid.service", masked=True)}
    masked = replace(host.systemd, units={**host.systemd.units, **units})
    only(replace(host, systemd=masked), "boot-iscsid")


def test_an_iscsid_that_udev_has_started_with_the_disk_needs_not_be_enabled() -> None:
    host = machine()

    def with_daemon(**changes: Any) -> Machine:
        daemon = replace(ISCSID, **changes)
        units = {**host.systemd.units, "iscsid.service": daemon}
        return replace(host, systemd=replace(host.systemd, units=units, iscsid_by_udev=True))

    assert bad(with_daemon(enabled=False)) == {}
    only(with_daemon(enabled=False, masked=True), "boot-iscsid")
    only(with_daemon(enabled=False, defined=False), "boot-iscsid")


def test_an_iscsid_that_needs_the_root_filesystem_for_its_first_login_is_named() -> None:
    host = machine()
    reads = {**host.systemd.units, "iscsid.service": unit("iscsid.service")}
    host = replace(host, systemd=replace(host.systemd, units=reads))
    assert "/etc/ssl/openssl.cnf" in only(host, "boot-iscsid").message
    # Without CHAP it needs no OpenSSL.
    records = db(record(**{"node.startup": "onboot", "node.session.auth.username": ""}))
    sessions = Listing((session(chap=None),), host.listing.disks)
    assert bad(replace(host, db=records, listing=sessions)) == {}


def test_the_fix_for_openssl_is_a_drop_in_that_the_next_check_finds(tmp_path: Path) -> None:
    made_host(tmp_path)
    put(tmp_path, f"etc/iscsi/nodes/{ROOT_IQN}/192.0.2.5,3260,1/default", CHAP_RECORD)

    def fixes() -> list[str]:
        answer = call(["boot", "check", "-J"], tmp_path, uid=0)
        found = json.loads(answer.out)["findings"]
        return [f["fix"] for f in found if f["id"] == "boot-iscsid" and f["level"] == "fail"]

    (fix,) = fixes()
    commands = fix.replace("/etc/systemd", f"{tmp_path}/etc/systemd")
    subprocess.run(commands.removesuffix(" && systemctl daemon-reload"), shell=True, check=True)
    assert fixes() == []
