"""What is known of dm-multipath on this host: its daemon, its list of WWIDs, our settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: The unit of multipathd(8), on Debian, RHEL and SUSE alike.
MULTIPATHD = "multipathd.service"


def kpartx_command(device: str) -> list[str]:
    """Return the command that has device-mapper show the partitions of a map's table.

    Without the delimiter of multipath-tools' own udev rule ("-part") kpartx(8) would rename the
    partitions that are there, which it finds by their UUID: /dev/mapper/...-part1 would be gone.
    """
    return ["kpartx", "-u", "-p", "-part", device]


#: Whether an attach uses all paths through a map: where it can, or refuse without one, or never.
MultipathMode = Literal["auto", "require", "off"]


@dataclass(frozen=True)
class MapSettings:
    """One `multipath` section of the configuration file that iscsictl keeps (multipath.conf(5)).

    `wwid` is spelled as multipathd spells it (36001405...), `disk` as sysfs does (naa.6001405...).
    `no_path_retry` is for how many checks I/O waits while no path is left; with None there is no
    section, only the note that an attach put the WWID on multipath's list. With a
    `reservation_key` multipathd registers each path that joins the map, before it is used.
    """

    wwid: str
    disk: str
    no_path_retry: int | None
    reservation_key: int | None = None


@dataclass(frozen=True)
class MultipathFacts:
    """The state of multipath-tools.

    `unmet_condition` is the line of its unit for which systemd does not start multipathd.
    `listed` are the WWIDs of /etc/multipath/wwids: with `find_multipaths` "strict" only these get
    a map. `settings` is what our configuration file says, and `set_elsewhere` are the WWIDs of the
    maps whose `no_path_retry` another file of the configuration sets; only root can read these
    files, and `files_were_read` says whether they were. `unread` are the WWIDs of maps whose
    section was removed from that file, and that multipathd has yet to forget.

    The rest only the daemon knows, and it is empty while nobody asked it, or it did not answer
    (`answers` False). `in_force` is the `no_path_retry` that it has read, by WWID of the maps that
    are there: a number of checks, or "queue" or "fail". `spelled` maps a path (/dev/sda) to the
    WWID as multipathd spells it. `polling_interval` is in seconds. `queueing` is how each map waits
    while no path works, by its name: "off", "on" (without end), "12 chk" (checks) or "-" (not set).
    `endless_failover` are the sections of the configuration with `fast_io_fail_tmo off`.
    """

    installed: bool = False
    masked: bool = False
    running: bool = False
    enabled: bool = False
    unmet_condition: str | None = None
    listed: frozenset[str] = frozenset()
    files_were_read: bool = True
    settings: tuple[MapSettings, ...] = ()
    unread: tuple[str, ...] = ()
    set_elsewhere: frozenset[str] = frozenset()
    answers: bool = True
    in_force: Mapping[str, int | str] = field(default_factory=dict)
    spelled: Mapping[str, str] = field(default_factory=dict)
    find_multipaths: str = "strict"
    polling_interval: int = 5
    queueing: Mapping[str, str] = field(default_factory=dict)
    endless_failover: tuple[str, ...] = ()

    @property
    def maps_every_disk(self) -> bool:
        """Whether multipathd makes a map of each disk that is not excluded, also over one path.

        With `find_multipaths` "no" it does what it does with "greedy" (multipath.conf(5)).
        """
        return self.running and self.find_multipaths in {"greedy", "no", "off"}

    def settings_of(self, disk: str | None) -> MapSettings | None:
        """Return our settings for the map of a disk, by the WWID that sysfs tells.

        None where we have none, and where `files_were_read` is False: then nobody knows.
        """
        return next((one for one in self.settings if one.disk == disk), None)
