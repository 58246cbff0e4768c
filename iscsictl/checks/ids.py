"""The ids of all checks: they stay the same in all versions, and docs/checks.md explains each."""

_LIST = """
boot-address boot-firmware boot-initiator boot-initramfs boot-iscsid boot-login boot-network-online
boot-nic boot-root boot-secret boot-shutdown boot-timeout chap-md5 chap-none chap-shared clock
crypttab-device-name crypttab-name-case crypttab-no-netdev crypttab-no-nofail crypttab-node-manual
crypttab-readable crypttab-uuid-nowhere digest-routed disk-changed disk-errors disk-identity
fs-disk-gone fs-failing fs-readonly fstab-boot fstab-claim-left fstab-device-name fstab-fsck
fstab-name-case fstab-no-netdev fstab-no-nofail fstab-no-order fstab-no-record fstab-node-manual
fstab-readable fstab-requires-login fstab-same-directory fstab-unreadable fstab-uuid-nowhere
fstab-uuid-twice fstab-wrong-disk initiator-clone initiator-name initiator-session ipsec-policy
iscsid-answers iscsid-running kernel-modules kernel-transport mount-exposed mount-link
multipath-boot multipath-daemon multipath-failover multipath-map multipath-nic multipath-paths
multipath-queue net-firewall net-link net-mtu net-mtu-mixed net-one-subnet nodedb-iface
nodedb-listing nodedb-lock nodedb-modes nodedb-place nodedb-readable nodedb-records
portal-default-route portal-public portal-reachable reservation reservation-unit security-port
service-iscsid service-login service-order service-reload service-systemd session-disks session-luns
session-missing session-startup session-state timeout-disk timeout-noop timeout-recovery tools-disk
tools-iscsictl tools-open-iscsi tools-versions
"""
IDS = frozenset(_LIST.split())


def is_called(check: str, name: str) -> bool:
    """Return whether a name that `--only` accepts stands for a check: its id, or a prefix of it.

    A prefix ends before or with a hyphen: `fstab` and `fstab-` stand for all ids that begin with
    `fstab-`.
    """
    return check == name or check.startswith(f"{name.removesuffix('-')}-")
