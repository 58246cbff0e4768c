"""What is read of an initramfs, of the parameters of the next boot, and of ifupdown."""

import time
from pathlib import Path

import pytest

from iscsictl.errors import IscsictlError, UnreachableError
from iscsictl.model.root_boot import Initramfs, InitramfsLogin
from iscsictl.parse.boot_settings import (
    parse_command_line,
    parse_grub_default,
    parse_iscsi_initramfs,
    parse_shell_settings,
)
from iscsictl.system.host.ifupdown import read_nics_taken_down
from iscsictl.system.host.initramfs import find_next_boot, read_initramfs
from iscsictl.system.io.process import filtered
from iscsictl.system.iscsi.debian_settings import find_opt_out, keeps_all_sessions
from tests.patience import PATIENCE
from tests.unit.fake_root import put
from tests.unit.initramfs_image import FILES, IMAGE, IQN, KERNEL, NAME, SETTINGS, put_image

CHAP = "iscsi_username=u iscsi_password=s3cret"


def read(root: Path) -> Initramfs:
    found = read_initramfs(IMAGE, KERNEL, 20, root)
    assert found is not None
    return found


@pytest.mark.parametrize("compressor", [None, "gzip", "zstd", "xz", "bzip2"])
def test_an_image_is_read_whatever_packed_it(tmp_path: Path, compressor: str | None) -> None:
    put_image(tmp_path, {**FILES, "etc/iscsi.initramfs": SETTINGS}, compressor)
    put(tmp_path, "etc/iscsi/iscsi.initramfs", SETTINGS)
    put(tmp_path, f"lib/modules/{KERNEL}/modules.builtin", "kernel/lib/libcrc32c.ko\n")
    found = read(tmp_path)
    assert found.programs == {"iscsistart"}
    assert found.modules == {"iscsi_tcp", "sd_mod", "virtio_net", "libcrc32c"}
    assert (found.has_login_script, found.initiator) == (True, NAME)
    assert found.login == InitramfsLogin(target=IQN, addresses=("192.0.2.5",), has_secret=True)
    assert (found.is_outdated, found.is_public, found.made_by_dracut) == (False, False, False)
    assert "s3cret" not in repr(found)


def test_an_image_of_old_settings_or_that_all_can_read_is_known(tmp_path: Path) -> None:
    path = put_image(tmp_path, {**FILES, "etc/iscsi.initramfs": SETTINGS})
    put(tmp_path, "etc/iscsi/iscsi.initramfs", SETTINGS + "ISCSI_TARGET_PORT=3261\n")
    path.chmod(0o644)
    found = read(tmp_path)
    assert (found.is_outdated, found.is_public) == (True, True)
    (tmp_path / "etc/iscsi/iscsi.initramfs").unlink()
    assert read(tmp_path).is_outdated


def test_an_image_without_open_iscsi_has_nothing_of_it(tmp_path: Path) -> None:
    put_image(tmp_path, {"usr/bin/sh": "x", "usr/lib/dracut/hooks/x": ""})
    found = read(tmp_path)
    assert found.programs == {"sh"}
    assert found.initiator is None
    assert found.made_by_dracut
    assert not found.has_login_script


@pytest.mark.fault("F45")
@pytest.mark.parametrize("compressor", [None, "gzip"])
def test_an_image_that_is_cut_off_anywhere_is_an_error_in_one_line(
    tmp_path: Path, compressor: str | None
) -> None:
    path = put_image(tmp_path, compressor=compressor)
    whole = path.read_bytes()
    # Within the first header, the microcode, and the archive behind it.
    for size in (50, 3000, len(whole) - 700 if compressor is None else len(whole) - 100):
        path.write_bytes(whole[:size])
        with pytest.raises(IscsictlError) as caught:
            read_initramfs(IMAGE, KERNEL, 20, tmp_path)
        assert "\n" not in str(caught.value)


def test_an_image_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_initramfs(IMAGE, KERNEL, 1, tmp_path) is None


@pytest.mark.fault("F11")
def test_unpacking_ends_at_the_deadline(tmp_path: Path) -> None:
    began = time.monotonic()
    with (
        put(tmp_path, "empty").open("rb") as file,
        pytest.raises(UnreachableError),
        filtered(["sleep", "600"], file.fileno(), timeout=0.3) as output,
    ):
        output.read()
    assert time.monotonic() - began < PATIENCE


def grub(default: str) -> str:
    return f"""
if [ "${{next_entry}}" ] ; then
   set default="${{next_entry}}"
else
   set default="{default}"
fi
menuentry 'Debian' {{
\tlinux\t/vmlinuz-{KERNEL} root=UUID=0a-1 ro ip=dhcp iscsi_target_name={IQN} \
iscsi_target_ip=192.0.2.5
\tinitrd\t/initrd.img-{KERNEL}
}}
menuentry 'recovery' {{
\tlinux\t/vmlinuz-5.10.0-1-amd64 root=UUID=0a-1 ro single
\tinitrd\t/initrd.img-5.10.0-1-amd64
}}
"""


def test_the_next_boot_is_the_first_entry_of_grub(tmp_path: Path) -> None:
    put(tmp_path, "boot/grub/grub.cfg", grub("0"))
    for kernel in (KERNEL, "6.1.0-9-amd64", "5.10.0-1-amd64"):
        put(tmp_path, f"boot/vmlinuz-{kernel}")
    put(tmp_path, "proc/sys/kernel/osrelease", "6.1.0-9-amd64\n")
    found = find_next_boot(tmp_path)
    assert set(found.images.values()) == {"6.1.0-9-amd64", KERNEL}
    assert (found.parameters.root, found.parameters.ip) == ("UUID=0a-1", "dhcp")
    assert found.parameters.login == InitramfsLogin(target=IQN, addresses=("192.0.2.5",))
    assert found.parameters.source == "/boot/grub/grub.cfg"


def test_a_default_that_grub_saves_is_not_followed() -> None:
    assert parse_grub_default(grub("${saved_entry}"), "x") is None
    assert parse_grub_default(grub("2"), "x") is None


def test_without_grub_it_is_the_newest_kernel_with_the_parameters_of_now(tmp_path: Path) -> None:
    for kernel in ("6.1.0-9-amd64", KERNEL):
        put(tmp_path, f"boot/vmlinuz-{kernel}")
    put(tmp_path, "proc/cmdline", "quiet root=/dev/sda1 iscsi_auto\n")
    found = find_next_boot(tmp_path)
    assert found.images == {IMAGE: KERNEL}
    assert found.parameters.login.firmware
    assert (found.parameters.root, found.parameters.source) == ("/dev/sda1", "/proc/cmdline")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            f"iscsi_initiator={NAME} iscsi_target_name={IQN} iscsi_target_ip=192.0.2.5 {CHAP}",
            InitramfsLogin(initiator=NAME, target=IQN, addresses=("192.0.2.5",), has_secret=True),
        ),
        (
            f"root=iscsi:u:s3cret@192.0.2.5::3260:0:{IQN} root=UUID=0a",
            InitramfsLogin(target=IQN, addresses=("192.0.2.5",), has_secret=True),
        ),
        (f"root=iscsi:192.0.2.5::::{IQN}", InitramfsLogin(target=IQN, addresses=("192.0.2.5",))),
        ("root=iscsi: root=iscsi:192.0.2.5", InitramfsLogin()),
        ("iscsi_auto", InitramfsLogin(firmware=True)),
        ("", InitramfsLogin()),
    ],
)
def test_the_command_line_is_read_as_the_script_of_open_iscsi_reads_it(
    line: str, expected: InitramfsLogin
) -> None:
    found = parse_command_line(line, "/proc/cmdline")
    assert found.login == expected
    assert "s3cret" not in repr(found)


def test_a_secret_in_the_root_parameter_is_not_kept() -> None:
    found = parse_command_line(f"root=iscsi:u:s3cret@192.0.2.5::3260:0:{IQN}", "/proc/cmdline")
    assert found.login.has_secret
    assert "s3cret" not in repr(found)


def test_parameters_override_the_file_and_leave_what_they_do_not_name() -> None:
    file = parse_iscsi_initramfs(SETTINGS.replace("192.0.2.5", "192.0.2.5 198.51.100.5"))
    assert file.addresses == ("192.0.2.5", "198.51.100.5")
    both = file.overridden_by(parse_command_line("iscsi_target_ip=192.0.2.6", "x").login)
    assert both == InitramfsLogin(target=IQN, addresses=("192.0.2.6",), has_secret=True)


@pytest.mark.fault("F45")
def test_lines_that_are_no_settings_are_passed_over() -> None:
    text = "A=1 # one\n. /etc/x\nB='two words'\nC=\"open\n[ -n x ] && D=1\nA=3\n"
    assert parse_shell_settings(text) == {"A": "3", "B": "two words"}


def test_ifupdown_takes_down_all_but_manual_and_no_auto_down(tmp_path: Path) -> None:
    put(tmp_path, "etc/network/interfaces", "source /etc/network/interfaces.d/*\nauto eth0\n"
        "iface eth0 inet dhcp\niface eth1 inet manual\niface eth2 \\\n inet static\n"
        "source-directory more\n")  # fmt: skip
    put(tmp_path, "etc/network/interfaces.d/san", "iface san0 inet dhcp\nno-auto-down /san*\n"
        "source /etc/network/interfaces\n")  # fmt: skip
    put(tmp_path, "etc/network/more/x", "no-auto-down eth2\n")
    assert read_nics_taken_down(tmp_path) == set()
    put(tmp_path, "usr/sbin/ifdown")
    assert read_nics_taken_down(tmp_path) == {"eth0"}


def test_the_settings_of_the_package_count_where_its_scripts_read_them(tmp_path: Path) -> None:
    keep = put(tmp_path, "etc/default/open-iscsi", "ISCSI_ROOT_KEEP_ALL_SESSIONS_AT_SHUTDOWN=1\n")
    assert not keeps_all_sessions(tmp_path)
    put(tmp_path, "etc/iscsi/iscsi.initramfs")
    assert keeps_all_sessions(tmp_path)
    keep.write_text("#ISCSI_ROOT_KEEP_ALL_SESSIONS_AT_SHUTDOWN=1\n")
    assert not keeps_all_sessions(tmp_path)
    assert find_opt_out(tmp_path) is None
    place = "etc/initramfs-tools/conf.d/open-iscsi"
    put(tmp_path, place, "NO_ISCSI_IN_INITRAMFS=yes\n")
    assert find_opt_out(tmp_path) == f"/{place}"
