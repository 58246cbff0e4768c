"""`boot check`: a host that boots from iSCSI and is sound, and each way in which it is not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iscsictl.checks.examine import examine, examine_boot
from iscsictl.errors import IscsictlError, NeedsRootError
from iscsictl.model.boot import BootEntry
from iscsictl.model.finding import Finding, Level
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known, ReadFailed
from iscsictl.model.listing import Block, ChapNames, Kind, Listing, Mount, Timeouts
from iscsictl.model.root_boot import Initramfs, InitramfsLogin, KernelParameters, RootBoot
from tests.bench.make_tree import Tree
from tests.commands import call
from tests.unit import healthy_host
from tests.unit.fake_root import put
from tests.unit.healthy_host import IQN, NAME, db, record, session, unit
from tests.unit.initramfs_image import FILES, IMAGE, KERNEL, SETTINGS, put_image
from tests.unit.initramfs_image import IQN as ROOT_IQN

LOGIN = InitramfsLogin(target=IQN, addresses=("192.0.2.5",), has_secret=True)
MODULES = frozenset({"iscsi_tcp", "sd_mod", "virtio_net"})
SOUND_IMAGE = Initramfs(
    KERNEL,
    frozenset({"iscsistart"}),
    MODULES,
    has_login_script=True,
    initiator=NAME,
    login=LOGIN,
)
PARAMETERS = KernelParameters("/proc/cmdline", root="UUID=0a-1", ip="dhcp")
BOOT = RootBoot(
    frozenset({IQN}),
    images={IMAGE: Known(SOUND_IMAGE)},
    parameters=Known(PARAMETERS),
    nic_modules={"eth0": "virtio_net"},
    logs_out_at_shutdown=True,
)
ISCSID = unit("iscsid.service", environment=frozenset({"OPENSSL_CONF"}))


def root_on(*layers: tuple[str, Kind], fstype: str = "ext4") -> Block:
    """The disk of a session with layers on it; the root filesystem is on the last."""
    block = Block("/dev/top", fstype=fstype, uuid="0a-1", mounts=(Mount("/"),))
    for n, (device, kind) in enumerate(reversed(layers)):
        block = block._replace(device=device, kind=kind) if n == 0 else Block(
            device, kind, children=(block,)
        )  # fmt: skip
    return Block("/dev/sda", "disk", children=(block,))


def machine(block: Block | None = None, **facts: Any) -> Machine:
    """A host whose root filesystem is on the disk of a session; `facts` change its next boot."""
    systemd = healthy_host.SOUND.systemd
    disk = healthy_host.disk()._replace(block=block or root_on(("/dev/sda1", "part")))
    return replace(
        healthy_host.with_fstab(b"UUID=0a-1 / ext4 errors=remount-ro 0 1\n"),
        listing=Listing((session(),), (disk,)),
        db=db(record(**{"node.startup": "onboot"})),
        mounts=(),
        boot_targets=frozenset({IQN}),
        systemd=replace(systemd, units={**systemd.units, "iscsid.service": ISCSID}),
        root_boot=replace(BOOT, **facts),
    )


def with_image(**changes: Any) -> Machine:
    return machine(images={IMAGE: Known(replace(SOUND_IMAGE, **changes))})


def with_parameters(**changes: Any) -> Machine:
    return machine(parameters=Known(replace(PARAMETERS, **changes)))


def bad(host: Machine) -> dict[str, Level]:
    """What is not ok, by id; doctor has to find the same."""
    found = [f for f in examine_boot(host) if f.level is not Level.OK]
    assert set(found) <= set(examine(host))
    return {f.id: f.level for f in found}


def only(host: Machine, id_: str, level: Level = Level.FAIL) -> Finding:
    """The one thing that is wrong."""
    assert bad(host) == {id_: level}
    (found,) = [f for f in examine_boot(host) if f.level is not Level.OK]
    assert found.fix
    return found


@pytest.mark.fault("F102")
def test_a_sound_host_that_boots_from_iscsi_has_nothing_wrong_and_each_check_says_so() -> None:
    assert healthy_host.bad(machine()) == {}
    said = {f.id for f in examine_boot(machine())}
    assert said == {
        "boot-firmware", "boot-initramfs", "boot-initiator", "boot-login", "boot-address",
        "boot-root", "boot-shutdown", "boot-nic", "boot-timeout", "boot-iscsid",
    }  # fmt: skip


def test_nothing_is_said_of_a_host_whose_root_filesystem_is_elsewhere() -> None:
    assert examine_boot(healthy_host.SOUND) == ()
    assert not [f for f in examine(healthy_host.SOUND) if f.id.startswith("boot-init")]


@pytest.mark.parametrize(
    ("changes", "words", "fix"),
    [
        ({"programs": frozenset()}, "open-iscsi", "apt install open-iscsi"),
        ({"has_login_script": False}, "open-iscsi", "update-initramfs -u -k"),
        ({"modules": MODULES - {"iscsi_tcp"}}, "iscsi_tcp", "/etc/initramfs-tools/modules"),
        ({"modules": MODULES - {"sd_mod"}}, "sd_mod", "printf '%s\\n' sd_mod >> "),
        ({"modules": MODULES - {"virtio_net"}}, "virtio_net", "printf '%s\\n' virtio_net >> "),
    ],
)
def test_what_an_image_lacks_is_named_with_what_brings_it(
    changes: dict[str, Any], words: str, fix: str
) -> None:
    found = only(with_image(**changes), "boot-initramfs")
    assert found.subject == IMAGE
    assert words in found.message
    assert fix in (found.fix or "")


def test_a_file_that_keeps_open_iscsi_out_is_named() -> None:
    images = {IMAGE: Known(replace(SOUND_IMAGE, programs=frozenset()))}
    found = only(machine(images=images, excluded_by="/etc/x"), "boot-initramfs")
    assert (found.fix or "").startswith("delete NO_ISCSI_IN_INITRAMFS=yes from /etc/x, then: ")


@pytest.mark.parametrize(
    ("kind", "program", "package"),
    [
        ("lvm", "lvm", "lvm2"),
        ("crypt", "cryptsetup", "cryptsetup-initramfs"),
        ("mpath", "multipath", "multipath-tools-boot"),
    ],
)
def test_the_layers_of_the_root_filesystem_need_their_programs(
    kind: Kind, program: str, package: str
) -> None:
    block = root_on(("/dev/mapper/x", kind), ("/dev/mapper/y", "part"))
    found = only(machine(block), "boot-initramfs")
    assert program in found.message
    assert f"apt install {package} " in (found.fix or "")
    image = replace(SOUND_IMAGE, programs=SOUND_IMAGE.programs | {program})
    assert bad(machine(block, images={IMAGE: Known(image)})) == {}


@pytest.mark.parametrize(
    ("read", "level"),
    [
        (Known(None), Level.FAIL),
        (ReadFailed(NeedsRootError("cannot read it")), Level.SKIP),
        (ReadFailed(IscsictlError("zstd did not answer within 10 s")), Level.SKIP),
        (Known(replace(SOUND_IMAGE, made_by_dracut=True)), Level.SKIP),
    ],
)
def test_an_image_that_is_missing_fails_and_one_that_is_not_known_is_skipped(
    read: Any, level: Level
) -> None:
    assert bad(machine(images={IMAGE: read})) == {"boot-initramfs": level}


def test_what_grub_boots_is_not_guessed_where_it_cannot_be_read() -> None:
    read = ReadFailed(NeedsRootError("cannot read /boot/grub/grub.cfg: permission denied"))
    found = only(machine(images={}, parameters=read), "boot-initramfs", Level.SKIP)
    assert "grub.cfg" in found.message


def test_an_image_of_older_settings_is_named() -> None:
    found = only(with_image(is_outdated=True), "boot-initramfs", Level.WARN)
    assert found.fix == f"update-initramfs -u -k {KERNEL}"


def test_another_initiator_name_than_that_of_the_host_is_named() -> None:
    found = only(with_image(initiator="iqn.1993-08.org.debian:01:old"), "boot-initiator")
    assert found.fix == f"update-initramfs -u -k {KERNEL}"
    assert only(with_image(initiator=None), "boot-initiator").fix == found.fix
    given = with_parameters(login=InitramfsLogin(initiator="iqn.1993-08.org.debian:01:old"))
    assert "iscsi_initiator" in (only(given, "boot-initiator").fix or "")


@pytest.mark.parametrize(
    ("login", "words"),
    [
        (InitramfsLogin(), "names a target"),
        (InitramfsLogin(target=IQN), "names an address"),
        (replace(LOGIN, target=f"{IQN}2"), f"it logs in to {IQN}2"),
        (replace(LOGIN, has_secret=False), "has no secret"),
        (InitramfsLogin(firmware=True), "does not name"),
    ],
)
def test_a_login_that_does_not_reach_the_root_filesystem_fails(
    login: InitramfsLogin, words: str
) -> None:
    host = with_image(login=login)
    host = replace(host, listing=Listing((session(chap=ChapNames("host")),), host.listing.disks))
    assert words in only(host, "boot-login").message


def test_a_login_at_another_address_than_the_session_is_a_warning() -> None:
    only(with_image(login=replace(LOGIN, addresses=("192.0.2.6",))), "boot-login", Level.WARN)


def test_the_firmware_names_target_and_initiator_with_iscsi_auto() -> None:
    entry = BootEntry(IQN, None, NAME)
    images = {IMAGE: Known(replace(SOUND_IMAGE, login=InitramfsLogin(firmware=True)))}
    assert bad(machine(images=images, firmware=(entry,))) == {}
    other = replace(entry, initiator="iqn.2001-04.com.example:other")
    found = only(machine(images=images, firmware=(other,)), "boot-initiator")
    assert found.fix == "iscsictl initiator set iqn.2001-04.com.example:other"


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (None, None),
        ("any", None),
        ("192.0.2.9::192.0.2.1:255.255.255.0::eth0:off", None),
        (":::::eth0:dhcp", None),
        ("none", Level.FAIL),
        ("off", Level.FAIL),
        ("192.0.2.9::192.0.2.1:255.255.255.0::ens9:off", Level.FAIL),
        ("192.0.2.77::192.0.2.1:255.255.255.0::eth0:off", Level.WARN),
    ],
)
def test_the_network_of_the_initramfs_is_judged_by_ip(value: str | None, level: Level) -> None:
    host = with_parameters(ip=value)
    host = replace(
        host, listing=Listing((session(initiator_address="192.0.2.9"),), host.listing.disks)
    )
    assert bad(host) == ({} if level is None else {"boot-address": level})


def test_secrets_that_every_user_can_read_are_named() -> None:
    given = with_parameters(login=InitramfsLogin(has_secret=True))
    assert only(given, "boot-secret", Level.WARN).subject == "/proc/cmdline"
    assert only(with_image(is_public=True), "boot-secret", Level.WARN).subject == IMAGE
    without = with_image(is_public=True, login=replace(LOGIN, has_secret=False))
    assert "boot-secret" not in bad(without)


def test_a_root_parameter_by_letter_or_of_another_filesystem_is_named() -> None:
    found = only(with_parameters(root="/dev/sda1"), "boot-root", Level.WARN)
    assert found.fix == "replace root=/dev/sda1 with root=UUID=0a-1 in /proc/cmdline"
    only(with_parameters(root="UUID=ff"), "boot-root")
    assert bad(with_parameters(root="UUID=0A-1")) == {}
    by_grub = with_parameters(root="UUID=ff", source="/boot/grub/grub.cfg")
    assert only(by_grub, "boot-root").fix == "update-grub"


BTRFS = root_on(("/dev/sda1", "part"), fstype="btrfs")
MD = root_on(("/dev/sda1", "part"), ("/dev/md0", "md"))


@pytest.mark.parametrize(
    ("block", "startup", "facts", "fine"),
    [
        (None, "manual", {}, True),
        (BTRFS, "manual", {}, False),
        (BTRFS, "onboot", {}, True),
        (BTRFS, "manual", {"keeps_sessions": True}, True),
        (MD, "manual", {}, False),
        (None, "manual", {"logs_out_at_shutdown": False}, False),
        (None, "onboot", {"logs_out_at_shutdown": False}, True),
    ],
)
def test_a_session_that_is_ended_at_shutdown_under_the_root_filesystem_is_named(
    block: Block | None, startup: str, facts: dict[str, Any], *, fine: bool
) -> None:
    image = replace(SOUND_IMAGE, programs=SOUND_IMAGE.programs | {"mdadm"})
    host = machine(block, images={IMAGE: Known(image)}, **facts)
    host = replace(host, db=db(record(**{"node.startup": startup})))
    if fine:
        assert bad(host) == {}
    else:
        assert only(host, "boot-shutdown").fix == f"iscsictl startup {IQN} onboot"
        found = record(**{"node.startup": startup, "node.discovery_type": "fw"})
        assert bad(replace(host, db=db(found))) == {}
        assert "boot-shutdown" not in bad(replace(host, db=db()))


def test_a_nic_that_ifupdown_takes_down_is_named() -> None:
    found = only(machine(nics_taken_down=frozenset({"eth0", "eth1"})), "boot-nic", Level.WARN)
    assert found.subject == "eth0"
    assert "no-auto-down eth0" in (found.fix or "")


@pytest.mark.parametrize(
    ("seconds", "fine"), [(120, False), (600, True), (86400, True), (-1, True)]
)
def test_a_root_filesystem_on_one_path_waits_long_for_its_session(
    seconds: int, *, fine: bool
) -> None:
    host = machine()
    host = replace(
        host, listing=Listing((session(timeouts=Timeouts(seconds)),), host.listing.disks)
    )
    if fine:
        assert bad(host) == {}
        return
    key = "node.session.timeo.replacement_timeout"
    found = only(host, "boot-timeout", Level.WARN)
    assert found.fix == f"iscsictl nodes set -T {IQN} {key}=86400, then reboot"
    unknown = only(replace(host, db=db()), "boot-timeout", Level.WARN)
    assert (unknown.fix or "").startswith("iscsictl discover 192.0.2.5 --save && ")


def test_below_a_map_the_timeout_is_left_to_multipathd() -> None:
    image = replace(SOUND_IMAGE, programs=SOUND_IMAGE.programs | {"multipath"})
    block = root_on(("/dev/mapper/m", "mpath"), ("/dev/mapper/m-part1", "part"))
    host = machine(block, images={IMAGE: Known(image)})
    quick = Listing((session(timeouts=Timeouts(5)),), host.listing.disks)
    assert bad(replace(host, listing=quick)) == {}


def test_a_root_filesystem_that_is_to_be_moved_is_judged_by_what_the_initramfs_needs() -> None:
    moving = replace(healthy_host.SOUND, root_boot=replace(BOOT, is_planned=True))
    said = {f.id: f.level for f in examine_boot(moving)}
    assert said == dict.fromkeys(
        ("boot-initramfs", "boot-login", "boot-initiator", "boot-address", "boot-iscsid"), Level.OK
    )


# The command.

CHAP_RECORD = f"""# BEGIN RECORD 2.1.8
node.name = {ROOT_IQN}
node.tpgt = 1
node.startup = onboot
iface.iscsi_ifacename = default
iface.transport_name = tcp
node.session.auth.username = myaccount
node.conn[0].address = 192.0.2.5
node.conn[0].port = 3260
# END RECORD
"""


def made_host(root: Path, recovery: str = "86400") -> Tree:
    """A made tree of a host whose root filesystem is on the disk of a session."""
    tree = Tree(root)
    made = tree.session(1, ROOT_IQN, recovery_tmo=recovery)
    lun = tree.lun(made, 0, wwid="naa.60014051234567890abcdef123456789")
    tree.block(lun / "block", "sda", 100, number="8:0", ID_FS_TYPE="ext4", ID_FS_UUID="0a-1")
    put(root, "proc/self/mountinfo", "30 1 8:0 / / rw shared:9 - ext4 /dev/sda rw\n")
    put(root, "proc/cmdline", "root=UUID=0a-1 ip=dhcp\n")
    put(root, "etc/fstab", "UUID=0a-1 / ext4 errors=remount-ro 0 1\n")
    put(root, "etc/iscsi/initiatorname.iscsi", f"InitiatorName={healthy_host.NAME}\n")
    put(root, "etc/iscsi/iscsi.initramfs", SETTINGS)
    put(root, "usr/lib/open-iscsi/logout-all.sh")
    (root / "run/systemd/system").mkdir(parents=True)
    put(root, "usr/lib/systemd/system/iscsid.service")
    wants = put(root, "etc/systemd/system/sysinit.target.wants/iscsid.service")
    wants.unlink()
    wants.symlink_to("/usr/lib/systemd/system/iscsid.service")
    # Not compressed: a test of a command finds no programs.
    put_image(root, {**FILES, "etc/iscsi.initramfs": SETTINGS}, None)
    return tree


@pytest.mark.fault("F102")
def test_the_command_reads_a_host_and_finds_nothing_wrong(tmp_path: Path) -> None:
    made_host(tmp_path)
    answer = call(["boot", "check"], tmp_path, uid=0)
    assert answer.code == 0, answer.out + answer.err
    assert answer.out.endswith("0 failed, 0 warnings, 9 ok\n")
    fstab = call(["fstab", "check"], tmp_path, uid=0)
    assert (fstab.code, fstab.out) == (0, "no problems found in /etc/fstab\n")


def test_the_command_and_doctor_find_the_same_and_fail_with_1(tmp_path: Path) -> None:
    made_host(tmp_path)
    put_image(tmp_path, {"usr/bin/sh": "x"}, None)
    answer = call(["boot", "check", "-J"], tmp_path, uid=0)
    document = json.loads(answer.out)
    failed = {f["id"]: f["fix"] for f in document["findings"] if f["level"] == "fail"}
    assert (answer.code, document["schema"]) == (1, "iscsictl.doctor/1")
    assert set(failed) == {"boot-initramfs", "boot-initiator", "boot-login"}
    doctor = call(["doctor", "-J", "--only", "boot"], tmp_path, uid=0)
    said = [f for f in json.loads(doctor.out)["findings"] if f["id"] in failed]
    assert {f["id"] for f in said} == set(failed)
    assert call(["boot", "check", "-q"], tmp_path, uid=0).out == ""


def test_the_command_says_where_there_is_nothing_to_check(tmp_path: Path) -> None:
    answer = call(["boot", "check"], tmp_path, uid=0)
    assert (answer.code, answer.out) == (0, "")
    assert "the root filesystem is not on an iSCSI disk" in answer.err
    empty = call(["boot", "check", "-J"], tmp_path, uid=0)
    assert json.loads(empty.out)["findings"] == []


def test_a_target_that_the_root_filesystem_is_to_be_moved_to_is_checked_by_its_name(
    tmp_path: Path,
) -> None:
    tree = made_host(tmp_path)
    other = "iqn.2001-04.com.example:next"
    tree.session(2, other)
    answer = call(["boot", "check", other, "-o", "tsv"], tmp_path, uid=0)
    assert answer.code == 1
    assert f"it logs in to {ROOT_IQN}, but the root filesystem is on {other}" in answer.out
    assert call(["boot", "check", "nobody"], tmp_path, uid=0).code == 3
