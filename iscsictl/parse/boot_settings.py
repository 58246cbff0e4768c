"""The settings of the initramfs for iSCSI: the kernel's command line, shell files, grub.cfg.

The names are those that the script of Debian's open-iscsi reads (scripts/local-top/iscsi). Of a
secret, only its existence is kept.
"""

import re
import shlex
from collections.abc import Mapping
from typing import Final, NamedTuple

from iscsictl.model.root_boot import InitramfsLogin, KernelParameters

_ROOT_ISCSI: Final = "iscsi:"
_DEFAULT_ENTRY: Final = re.compile(r"""\s*set\s+default=["']?([^"'\s]*)["']?\s*""")


def parse_shell_settings(text: str) -> dict[str, str]:
    """Parse NAME=VALUE lines of a file that a shell sources, such as /etc/default/open-iscsi.

    If a name occurs more than once, the last one counts. Lines that are no plain assignment are
    skipped, even those that a shell could not parse.
    """
    found = {}
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        name, equals, value = (words or [""])[0].partition("=")
        if equals and name.isidentifier():
            found[name] = value
    return found


def parse_iscsi_initramfs(text: str) -> InitramfsLogin:
    """Parse /etc/iscsi/iscsi.initramfs (README.Debian of open-iscsi)."""
    return _login_of({name.lower(): v for name, v in parse_shell_settings(text).items()})


def parse_command_line(text: str, source: str) -> KernelParameters:
    """Parse a kernel's command line; if a parameter occurs twice, the last one counts.

    It is split only at blanks, as in the script. `root=iscsi:...` is the form of RFC 4173, with an
    account before an @ sign; another `root=` after it names the filesystem.
    """
    values: dict[str, str] = {}
    login = InitramfsLogin()
    for word in text.split():
        name, _, value = word.partition("=")
        if name == "root" and value.startswith(_ROOT_ISCSI):
            login = login.overridden_by(_parse_root_path(value.removeprefix(_ROOT_ISCSI)))
            # It names no filesystem, and it may contain a secret.
            value = ""
        values[name] = value
    if "iscsi_auto" in values:
        values["iscsi_auto"] = "true"
    login = login.overridden_by(_login_of(values))
    return KernelParameters(source, login, values.get("root") or None, values.get("ip"))


def _parse_root_path(value: str) -> InitramfsLogin:
    """Parse ADDRESS:PROTOCOL:PORT:LUN:TARGET, with NAME:SECRET@ before it if there is CHAP."""
    account, _, path = value.rpartition("@")
    address, *rest = path.split(":", 4)
    target = rest[3] if len(rest) == 4 else ""
    if not address or not target:
        return InitramfsLogin()
    secret = account.partition(":")[2]
    return InitramfsLogin(target=target, addresses=(address,), has_secret=bool(secret))


def _login_of(values: Mapping[str, str]) -> InitramfsLogin:
    return InitramfsLogin(
        firmware=bool(values.get("iscsi_auto")),
        initiator=values.get("iscsi_initiator") or None,
        target=values.get("iscsi_target_name") or None,
        addresses=tuple(one.strip("[]") for one in values.get("iscsi_target_ip", "").split()),
        has_secret=bool(values.get("iscsi_password")),
    )


class GrubEntry(NamedTuple):
    """What GRUB boots: the kernel's parameters, and the file name of the initramfs."""

    parameters: KernelParameters
    initrd: str | None


def parse_grub_default(text: str, source: str) -> GrubEntry | None:
    """Return the first menu entry of grub.cfg, None if GRUB may boot another one.

    `set default="0"`, as grub-mkconfig writes it, is the first entry. A default that is saved or
    named (GRUB_DEFAULT) is not followed. `source` names the file in what is reported about the
    parameters.
    """
    defaults = [m[1] for line in text.splitlines() if (m := _DEFAULT_ENTRY.fullmatch(line))]
    # The entry of `grub-reboot`, which counts for one boot only, is set before it.
    if [one for one in defaults if not one.startswith("${next_entry}")] not in ([], ["0"]):
        return None
    entry: GrubEntry | None = None
    for line in text.splitlines():
        words = line.split()
        if words[:1] and words[0] in {"linux", "linux16", "linuxefi"} and len(words) > 1:
            if entry is not None:
                break
            entry = GrubEntry(parse_command_line(" ".join(words[2:]), source), None)
        elif entry is not None and words[:1] and words[0].startswith("initrd") and words[1:]:
            return entry._replace(initrd=words[-1].rpartition("/")[2])
    return entry
