"""What is given on the command line: taken as it is meant, or refused before anything is done."""

from pathlib import Path

import pytest

from iscsictl.cli.options import wait_duration
from iscsictl.errors import Exit
from iscsictl.model import values
from iscsictl.system.io.process import run
from tests.bench.make_tree import make
from tests.commands import call

SECRET = "hunter2hunter2"


@pytest.mark.parametrize("seconds", ["0", "0s", "1ms", "0.5"])
def test_a_hold_of_no_time_is_a_usage_error(seconds: str, tmp_path: Path) -> None:
    answer = call(["hold", "/srv/x", "--for", seconds], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    assert "the minimum is one second" in answer.err


@pytest.mark.fault("F13")
def test_a_link_local_address_gets_a_clear_answer(tmp_path: Path) -> None:
    answer = call(["attach", "-p", "fe80::1%eth0"], tmp_path)
    assert answer.code == Exit.USAGE
    assert "link-local" in answer.err


@pytest.mark.fault("F05")
@pytest.mark.parametrize("secret", ["", " x", "x ", "a\nb", "x" * 256, "\n\n"])
def test_a_secret_that_open_iscsi_cannot_keep_is_refused_and_not_shown(
    secret: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(secret)
    line = ["attach", "-p", "192.0.2.5", "--chap-user", "u", "--chap-secret-file"]
    for args, stdin in ((str(file), b""), ("-", secret.encode())):
        answer = call([*line, args], tmp_path, uid=0, stdin=stdin)
        assert answer.code == Exit.USAGE
        assert "secret" in answer.err
        if secret.strip():
            assert secret.strip() not in answer.err + answer.out


@pytest.mark.fault("F05")
def test_one_newline_at_the_end_of_a_secret_file_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    line = ["attach", "-p", "192.0.2.5", "--chap-user", "u", "--chap-secret-file", str(file)]
    assert call(line, tmp_path, uid=0).code == Exit.UNREACHABLE
    file.write_text(SECRET + "\n\n")
    assert call(line, tmp_path, uid=0).code == Exit.USAGE


@pytest.mark.parametrize(
    "words",
    [
        ["attach", "-p", "192.0.2.5"],
        ["discover", "192.0.2.5"],
        ["chap", "set", "-T", "iqn.2001-04.com.example:x"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("source", [["--secret-file", "no-such-file"], ["--secret-prompt"]])
def test_root_is_needed_before_a_secret_is_read_or_asked_for(
    words: list[str], source: list[str], tmp_path: Path
) -> None:
    answer = call([*words, "--user", "u", *source], tmp_path)
    assert answer.code == Exit.NEEDS_ROOT
    assert "secret" not in answer.err


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["attach", "-p", "192.0.2.5", "--mount", "relative"], "absolute path"),
        (["attach", "-p", "192.0.2.5", "--set", "node.startup=automatc"], "node.startup"),
        (["discover", "192.0.2.5", "--isns"], "iSNS"),
        (["chap", "set"], "whose account"),
    ],
)
def test_the_rest_of_the_line_is_judged_before_a_secret_is_read(
    words: list[str], wrong: str, tmp_path: Path
) -> None:
    answer = call([*words, "--user", "u", "--secret-file", "no-such-file"], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    assert wrong in answer.err


def test_a_secret_on_the_command_line_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for key in ("node.session.auth.password", "node.session.auth.password_in"):
        answer = call(["attach", "-p", "192.0.2.5", "--set", f"{key}={SECRET}"], tmp_path)
        assert answer.code == Exit.USAGE
        assert SECRET not in answer.err + answer.out


@pytest.mark.parametrize("number", ["1_0", "٣", " 3", "+3", "", "0x3"])
def test_a_number_is_written_in_plain_digits(number: str, tmp_path: Path) -> None:
    for args in (
        ["attach", "-p", "192.0.2.5", "--lun", number],
        ["disk", "part", "rm", "/dev/sda", number],
        ["apply", "-", "--parallel", number],
    ):
        answer = call(args, tmp_path)
        assert answer.code == Exit.USAGE
        assert "is not a valid" in answer.err


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("--chap-user me", "add --chap-secret-file FILE, or --chap-secret-prompt"),
        ("--chap-secret-file s", "add --chap-user NAME"),
        ("--chap-user me --chap-secret-file s --mutual-user a",
         "add --mutual-secret-file FILE, or --mutual-secret-prompt"),
        ("--mutual-user a --mutual-secret-file s",
         "add --chap-user NAME, and --chap-secret-file FILE or --chap-secret-prompt"),
    ],
)  # fmt: skip
def test_half_an_account_is_answered_with_the_other_half(
    given: str, missing: str, tmp_path: Path
) -> None:
    (tmp_path / "s").write_text("twelve-and-more\n")
    (tmp_path / "s").chmod(0o600)
    answer = call(["attach", "-p", "192.0.2.5", "-n", *given.split()], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    assert answer.err.splitlines()[-1] == f"hint: {missing}"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("logout --all iqn.2001-04.com.example:a", "name a target or use --all, not both"),
        ("login --all -T iqn.2001-04.com.example:a", "name a target or use --all, not both"),
        ("logout", "name a target, or select all with --all"),
        ("disk part add mail --size 1G --rest", "give --size SIZE or --rest, not both"),
        ("disk part add mail", "give the size: --size SIZE, or --rest"),
    ],
)
def test_too_much_is_not_answered_as_too_little(words: str, says: str, tmp_path: Path) -> None:
    answer = call([*words.split(), "-n"], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    assert answer.err.startswith(f"iscsictl: {says}\n")


EMPTY = ["ls|", "watch|", "detach|", "fstab rm|", "prune|", "explain|", "login|-T|", "report|",
         "plan|", "doctor|--only|", "doctor|--from|", "chap generate|--out|",
         "attach|-p|192.0.2.5|--wwid|", "attach|-p|192.0.2.5|--mount|"]  # fmt: skip


@pytest.mark.parametrize("words", EMPTY)
def test_an_empty_value_is_refused_and_names_nothing_else(words: str, tmp_path: Path) -> None:
    command, *rest = words.split("|")
    answer = call([*command.split(), *rest], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    assert answer.out == ""
    assert answer.err.splitlines()[0].endswith(" is empty")


def test_no_mount_options_may_be_given_as_an_empty_value(tmp_path: Path) -> None:
    answer = call(["mount", "mail", "--options", "", "-n"], tmp_path, uid=0)
    assert answer.code == Exit.NOT_FOUND


@pytest.mark.parametrize("words", ["plan v.toml --out -", "chap generate --out -", "report -"])
def test_standard_output_is_no_file_to_write(words: str, tmp_path: Path) -> None:
    answer = call(words.split(), tmp_path, uid=0)
    assert (answer.code, answer.out) == (Exit.USAGE, "")
    assert "'-' is not the name of a file" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_wipe_and_its_confirmation_go_together(tmp_path: Path) -> None:
    for words in (
        ["attach", "-p", "192.0.2.5", "--wipe"],
        ["disk", "label", "/dev/sda", "gpt", "--wipe"],
        ["disk", "label", "/dev/sda", "gpt", "--confirm", "naa.1"],
    ):
        answer = call(words, tmp_path)
        assert answer.code == Exit.USAGE
        assert "must be given together" in answer.err


@pytest.mark.parametrize(
    "given", ["noatime, ro", "ro\n", "a\tb", "rw,x-iscsictl.making=naa.1", 'q"r']
)
def test_mount_options_that_no_line_should_carry_are_refused(given: str, tmp_path: Path) -> None:
    for words in (
        ["attach", "-p", "192.0.2.5", "--mount", "/srv/x"],
        ["mount", "/dev/sda1"],
        ["fstab", "add", "/dev/sda1", "/srv/x"],
    ):
        answer = call([*words, "--options", given], tmp_path, uid=0)
        assert answer.code == Exit.USAGE
        assert answer.err.startswith("iscsictl: --options ")


def test_a_comma_in_quotes_parts_no_option_of_the_command_line() -> None:
    context = 'context="system_u:object_r:tmp_t:s0:c127,c456"'
    assert values.mount_options(f"rw,{context},,noexec") == ("rw", context, "noexec")
    assert values.mount_options("") == ()


@pytest.mark.parametrize(
    "option",
    ["fail", "x-initrd.mount", "x-systemd.required-by=local-fs.target",
     "x-systemd.required-by=multi-user.target", "x-systemd.required-by=remote-fs.target",
     "x-systemd.required-by=systemd-logind.service", 'x-systemd.required-by="sysinit.target"'],
)  # fmt: skip
def test_options_by_which_the_host_would_not_boot_without_the_array_are_refused(
    option: str,
) -> None:
    with pytest.raises(ValueError, match="the host would not boot"):
        values.mount_options(f"noatime,{option}")
    others = (
        "nofail,x-systemd.required-by=mail.service,x-systemd.required-by=mail.target,"
        "x-systemd.automount,errors=remount-ro,x-systemd.wanted-by=multi-user.target"
    )
    assert values.mount_options(others) == tuple(others.split(","))


@pytest.mark.parametrize(
    "unit",
    ["local-fs.target", "network-online.target", "runlevel3.target", "shutdown.target",
     "initrd-root-fs.target", "-.mount", "open-iscsi.service", "systemd-udevd.service"],
)  # fmt: skip
def test_a_unit_that_the_host_needs_to_boot_cannot_wait_for_the_mount(unit: str) -> None:
    with pytest.raises(ValueError, match="the host would not boot"):
        values.unit(unit)


@pytest.mark.parametrize(
    "unit",
    ["mail.service", "mail.target", "nfs-server.service", "local-fs.service", "a@b.service",
     "systemd-nspawn@web.service", "systemd-machined.service", "systemd-journal-remote.socket"],
)  # fmt: skip
def test_any_other_unit_can_wait_for_the_mount(unit: str) -> None:
    assert values.unit(unit) == unit


@pytest.mark.parametrize(
    "path", ["/srv/lun0", "/srv/lun0/", "/srv//lun0", "//srv/lun0", "/srv/./lun0"]
)
def test_a_directory_is_the_same_however_it_is_written(path: str, tmp_path: Path) -> None:
    make(tmp_path, 1)
    for words, verb in (("detach", "umount"), ("umount", "umount"), ("hold", "hold")):
        answer = call([words, "-n", path, "-o", "tsv"], tmp_path, uid=0)
        assert answer.code == Exit.PENDING, answer.err
        assert f"planned\t{verb}\t/srv/lun0\n" in answer.out


@pytest.mark.parametrize(
    "words",
    [
        ["--set", "node.startup=a\nb"],
        ["--set", "node.startup="],
        ["--set", "node.startup=" + "x" * 256],
        ["--mount", "/srv/x", "--owner", ""],
        ["--mount", "/srv/x", "--owner", ":"],
        ["--mount", "/srv/a\x1bb"],
        ["--set", "node.startup=automatc"],
        ["--set", "node.conn[0].timeo.login_timeout=soon"],
        ["--set", "node.name=x"],
        ["--set", "node.conn[0].address=192.0.2.6"],
        ["--set", "node.tpgt=2"],
        ["--set", "iface.iscsi_ifacename=x"],
        ["--set", "discovery.startup=automatic"],
        ["--set", "node." + "x" * 123 + "=1"],
        ["--set", "node.\u00e9=1"],
        ["--chap-user", " u", "--chap-secret-file", "-"],
        ["--chap-user", "u" * 256, "--chap-secret-file", "-"],
    ],
)
def test_a_value_that_cannot_be_kept_is_a_usage_error_before_anything_is_done(
    words: list[str], tmp_path: Path
) -> None:
    answer = call(["attach", "-p", "192.0.2.5", *words], tmp_path, uid=0, stdin=b"correct-horse-7")
    assert answer.code == Exit.USAGE, answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pair", ["node.startup=automatc", "node.conn[0].timeo.login_timeout=9s"])
def test_nodes_set_refuses_it_before_it_looks_at_a_record(pair: str, tmp_path: Path) -> None:
    answer = call(["nodes", "set", "-T", "iqn.2001-04.com.example:x", pair], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    first, second = answer.err.splitlines()
    assert first.startswith(f"iscsictl: {pair.partition('=')[0]}: ")
    assert second.startswith("hint: ")


@pytest.mark.parametrize("side", ["chap", "mutual"])
def test_off_a_terminal_the_hint_for_a_secret_has_the_option_that_works(
    side: str, tmp_path: Path
) -> None:
    line = ["discover", "192.0.2.5", "--chap-user", "u", "--mutual-user", "v"]
    other = "mutual" if side == "chap" else "chap"
    file = tmp_path / "secret"
    file.write_text(SECRET)
    line += [f"--{other}-secret-file", str(file)]
    answer = call([*line, f"--{side}-secret-prompt"], tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    option = answer.err.splitlines()[-1].partition(": --")[2].split()
    assert option == [f"{side}-secret-file", "-"]
    given = call([*line, f"--{option[0]}", "-"], tmp_path, uid=0, stdin=b"another-secret-7")
    assert given.code == Exit.UNREACHABLE, given.err


@pytest.mark.fault("F45")
@pytest.mark.parametrize("long", ["25d", "100000000d", "999999999d"])
def test_a_wait_may_be_as_long_as_one_likes(long: str, tmp_path: Path) -> None:
    line = ["discover", "192.0.2.5", "--chap-user", "u", "--chap-secret-file", "-"]
    answer = call([*line, "--timeout", long], tmp_path, uid=0, stdin=SECRET.encode())
    assert answer.err == call(line, tmp_path, uid=0, stdin=SECRET.encode()).err


def test_the_longest_wait_is_one_that_the_system_can_make() -> None:
    """poll(2) takes the milliseconds as an int, and some waits are a little longer than asked."""
    seconds = wait_duration("999999999d")
    assert run(["true"], timeout=seconds + 3600).code == 0
    assert seconds >= wait_duration("20d") > wait_duration("1d")
