"""What a user requests, independent of how the command line said it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from iscsictl.model.multipath import MultipathMode
from iscsictl.model.names import DEFAULT_IFACE, Portal
from iscsictl.model.secret import Secret


@dataclass(frozen=True)
class Account:
    """A CHAP account: ours, and the array's own for mutual CHAP."""

    user: str
    secret: Secret
    mutual_user: str | None = None
    mutual_secret: Secret | None = None

    def values(self, prefix: str = "node.session") -> "ChapValues":
        """Return the record values that set exactly this account; see `chap_values`.

        They include the clearing of the array's account where this one has none.
        """
        return chap_values(self, prefix)


ChapValues = dict[str, str | Secret | None]


def chap_values(account: Account | None, prefix: str = "node.session") -> ChapValues:
    """Return the values that set CHAP to this account, None to turn it off.

    `prefix` is `node.session` for a node record and `discovery.sendtargets` for discovery.
    None clears a value, so one-way CHAP clears the array's account. open-iscsi goes by the
    credentials alone; `authmethod` is kept in step with them (iscsid.conf).
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
    """What the user agreed to beyond the ordinary; `wipe`, `lost` and `one_disk` are WWIDs.

    `one_disk`: the LUNs of several targets with this WWID are one disk. `losses`: what the user
    was told that is lost with a disk; None where there is nobody to ask. `adopt_unverified`: also
    a filesystem that may be mounted elsewhere, as its format does not tell.
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
    """From a LUN to a mounted filesystem. `fs` and `mount` None stop at the device.

    `uuid` is what a filesystem gets if one has to be made. Each portal is used through each of
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
        """Return `uuid` in the form that this kind of filesystem has.

        FAT has a volume id of 32 bits, which blkid(8) prints as XXXX-XXXX in capitals.
        """
        # mkfs.vfat takes a volume id of eight hexadecimal digits (-i).
        if fs == "vfat":
            return f"{self.uuid[:4]}-{self.uuid[4:8]}".upper()
        return self.uuid


@dataclass(frozen=True)
class DetachRequest:
    """Take a LUN down. `name` is a target, device, UUID, WWID or mount point."""

    name: str
    lun: int | None = None
    forget: bool = False
    consent: Consent = Consent()


#: Line and column, from 1, by the path of keys and element numbers.
Place = tuple[int, int]
Places = Mapping[tuple[str | int, ...], Place]


@dataclass(frozen=True)
class Credential:
    """A CHAP name and the file with its secret; without a file the record's secret stays."""

    user: str
    secret_file: str | None = None


@dataclass(frozen=True)
class Volume:
    """One [[volume]]. `spec` has neither the account nor the owner's numbers yet.

    `owner` is USER:GROUP as it stands in the file; `place` is where the volume begins.
    """

    name: str
    spec: AttachSpec
    chap: Credential | None = None
    mutual: Credential | None = None
    owner: str | None = None
    place: Place = (1, 1)
