"""What a user requests, independent of how the command line said it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from iscsictl.model.multipath import MultipathMode
from iscsictl.model.names import DEFAULT_IFACE, Portal
from iscsictl.model.secret import Secret


@dataclass(frozen=True)
class Account:
    """A CHAP account: that of this host, and for mutual CHAP that of the array."""

    user: str
    secret: Secret
    mutual_user: str | None = None
    mutual_secret: Secret | None = None

    def values(self, prefix: str = "node.session") -> "ChapValues":
        """Return the record values that set exactly this account; see `chap_values`.

        Without a mutual account they clear that of the array.
        """
        return chap_values(self, prefix)


ChapValues = dict[str, str | Secret | None]


def chap_values(account: Account | None, prefix: str = "node.session") -> ChapValues:
    """Return the values that set CHAP to this account, None to turn it off.

    `prefix` is `node.session` for a node record and `discovery.sendtargets` for discovery.
    None clears a value, so one-way CHAP clears the array's account. open-iscsi considers only the
    credentials; `authmethod` is set to match them (iscsid.conf).
    """
    auth = f"{prefix}.auth"
    return {
        f"{auth}.authmethod": "None" if account is None else "CHAP",
        f"{auth}.username": None if account is None else account.user,
        f"{auth}.password": None if account is None else account.secret,
        f"{auth}.username_in": None if account is None else account.mutual_user,
        f"{auth}.password_in": None if account is None else account.mutual_secret,
    }


@dataclass(frozen=True)
class Consent:
    """What the user agreed to explicitly; `wipe`, `lost` and `one_disk` are WWIDs.

    `one_disk`: the LUNs of several targets with this WWID are one disk. `losses`: what the user was
    told would be lost with a disk; None if there is nobody to ask. `adopt_unverified`: adopt even a
    filesystem whose format does not record whether it is mounted elsewhere.
    """

    adopt: bool = False
    wipe: str | None = None
    over_nonempty: bool = False
    lost: str | None = None
    one_disk: str | None = None
    losses: tuple[str, ...] | None = None
    adopt_unverified: bool = False


@dataclass(frozen=True)
class AttachSpec:
    """From a LUN to a mounted filesystem; with neither `fs` nor `mount`, only to the device.

    `uuid` is given to the filesystem if one must be created. Each portal is used through each of
    `ifaces`, as far as `multipath` allows several paths. `exclusive`: no other host may write to
    the LUN as long as it is attached.
    """

    portals: tuple[Portal, ...]
    uuid: str
    target: str | None = None
    lun: int | None = None
    ifaces: tuple[str, ...] = (DEFAULT_IFACE,)
    multipath: MultipathMode = "auto"
    account: Account | None = None
    table: str | None = None
    fs: str | None = None
    fs_label: str | None = None
    mount: str | None = None
    options: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    required_by: tuple[str, ...] = ()
    wwid: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    boot: bool = True
    full_probe: bool = False
    discard: bool = False
    exclusive: bool = False
    consent: Consent = Consent()

    def new_uuid(self, fs: str) -> str:
        """Return `uuid` in the format of this kind of filesystem.

        FAT has a 32-bit volume id, which blkid(8) prints as XXXX-XXXX in capitals.
        """
        # mkfs.vfat accepts a volume id of eight hexadecimal digits (-i).
        if fs == "vfat":
            return f"{self.uuid[:4]}-{self.uuid[4:8]}".upper()
        return self.uuid


@dataclass(frozen=True)
class DetachRequest:
    """Detach a LUN. `name` is a target, device, UUID, WWID or mount point."""

    name: str
    lun: int | None = None
    forget: bool = False
    consent: Consent = Consent()


#: Line and column, from 1. `Places` has them by path, which consists of keys and element numbers.
Place = tuple[int, int]
Places = Mapping[tuple[str | int, ...], Place]


@dataclass(frozen=True)
class Credential:
    """A CHAP name and the file with its secret; without a file the record's secret stays."""

    user: str
    secret_file: str | None = None


@dataclass(frozen=True)
class Volume:
    """One [[volume]]. `spec` does not yet have the account and the numeric owner.

    `owner` is USER:GROUP as written in the file; `place` is where the volume begins.
    """

    name: str
    spec: AttachSpec
    chap: Credential | None = None
    mutual: Credential | None = None
    owner: str | None = None
    place: Place = (1, 1)
