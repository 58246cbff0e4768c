import pytest

from iscsictl.parse.mountinfo import parse_mountinfo


def test_escapes_and_optional_fields_are_understood() -> None:
    data = (
        b"36 35 98:0 /sub /mnt/with\\040blank\\011tab\\134 rw,noatime shared:1 master:2 - "
        b"ext4 /dev/my\\040disk rw,errors=continue\n"
    )
    (mount,) = parse_mountinfo(data)
    assert (mount.device, mount.root, mount.fstype) == ("98:0", "/sub", "ext4")
    assert mount.path == "/mnt/with blank\ttab\\"
    assert mount.source == "/dev/my disk"
    assert mount.options == ("rw", "noatime", "errors=continue")


def test_a_filesystem_that_fell_back_to_read_only_shows_it() -> None:
    (mount,) = parse_mountinfo(b"1 2 8:1 / /srv rw,relatime - ext4 /dev/sda1 ro\n")
    assert mount.options == ("ro", "relatime")


def test_bytes_that_are_no_utf8_are_kept() -> None:
    raw = b"/srv/\xff\xc3\xa4"
    for path in (raw, b"/srv/\\377\\303\\244"):
        (mount,) = parse_mountinfo(b"1 2 8:1 / " + path + b" rw - ext4 /dev/sda1 rw\n")
        assert mount.path.encode("utf-8", "surrogateescape") == raw


def test_a_line_without_superblock_options_is_read() -> None:
    (mount,) = parse_mountinfo("1 2 8:1 / / rw - ext4 /dev/sda1")
    assert mount.options == ("rw",)


@pytest.mark.fault("F45")
@pytest.mark.parametrize(
    "line", ["", "-", "1 2 3", "1 2 8:1 / /a rw shared:1 ext4 x rw", "\0 " * 9]
)
def test_lines_that_are_no_mounts_are_left_out(line: str) -> None:
    assert parse_mountinfo(line) == ()
