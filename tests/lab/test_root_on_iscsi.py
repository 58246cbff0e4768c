"""A host is made fit to have its root filesystem on a LUN, by what `boot check` prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.array import A4
from tests.lab.onhost import run_on

if TYPE_CHECKING:
    from tests.lab.pair import Lab

pytestmark = pytest.mark.torture
IQN = "iqn.2001-04.com.example:root"
#: What update-initramfs may take in an emulated guest.
SLOW = 600.0


def boot_check(lab: Lab, code: int) -> dict[str, dict[str, Any]]:
    """What is not in order, by id."""
    result = run_on(lab.host, f"iscsictl boot check -J {IQN}", code)
    return {f["id"]: f for f in json.loads(result.out)["findings"] if f["level"] != "ok"}


def test_the_fixes_of_boot_check_make_a_host_fit_for_a_root_filesystem_on_a_lun(lab: Lab) -> None:
    lab.array.target(IQN, [lab.array.disk("root", "64M")], portals=[A4])
    run_on(lab.host, f"iscsictl discover {A4} --save && iscsictl login {IQN}")
    found = boot_check(lab, 1)
    # A rule of udev starts iscsid when the disk appears (70-open-iscsi.rules of the package).
    assert set(found) == {"boot-initramfs", "boot-login"}
    assert found["boot-initramfs"]["message"] == "it lacks the module sd_mod, the module virtio_net"
    settings = f"ISCSI_TARGET_NAME={IQN}\nISCSI_TARGET_IP={A4}\n"
    lab.host.put("/etc/iscsi/iscsi.initramfs", settings.encode(), 0o600)
    assert set(boot_check(lab, 1)) == set(found)
    run_on(lab.host, found["boot-initramfs"]["fix"], timeout=SLOW)
    assert boot_check(lab, 0) == {}
    lab.host.run(
        "echo InitiatorName=iqn.2001-04.com.example:new > /etc/iscsi/initiatorname.iscsi; "
        "echo '# newer' >> /etc/iscsi/iscsi.initramfs",
        check=True,
    )
    assert {name: f["level"] for name, f in boot_check(lab, 1).items()} == {
        "boot-initiator": "fail",
        "boot-initramfs": "warn",
    }
