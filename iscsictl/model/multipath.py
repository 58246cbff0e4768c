"""dm-multipath on this host: its daemon, its list of WWIDs, and the settings of iscsictl."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: The unit of multipathd(8), on Debian, RHEL and SUSE alike.
MULTIPATHD = "multipathd.service"


def kpartx_command(device: str) -> list[str]:
    """Return the command that updates the devices of a map's partitions from its table.

    Without the delimiter of multipath-tools' own udev rule ("-part"), kpartx(8) would rename the
    existing partition devices, which it finds by their UUID: /dev/mapper/...-part1 would vanish.
    """
    return ["kpartx", "-u", "-p", "-part", device]


#: Whether an attach uses all paths through a map: if possible, always (or it is refused), or never.
MultipathMode = Literal["auto", "require", "off"]


@dataclass(frozen=True)
class MapSettings:
    """One `multipath` section of the configuration file that iscsictl writes (multipath.conf(5)).

    `wwid` is spelled as multipathd spells it (36001405...), `disk` as sysfs does (naa.6001405...).
    `no_path_retry` is the number of checks for which I/O waits while no path is left; None stands
    for no section, only a note that an attach added the WWID to multipath's list. With a
    `reservation_key`, multipathd registers each path that joins the map before using it.
    """

    wwid: str
    disk: str
    no_path_retry: int | None
    reservation_key: int | None = None


@dataclass(frozen=True)
class MultipathFacts:
    """The state of multipath-tools.

    `unmet_condition` is the line of its unit that keeps systemd from starting multipathd.
    `listed` are the WWIDs of /etc/multipath/wwids: with `find_multipaths` "strict" only these get
    a map. `settings` is the content of the configuration file that iscsictl writes, and
    `set_elsewhere` are the WWIDs of the maps whose `no_path_retry` another configuration file sets;
    only root can read these files, and `files_were_read` says whether they were. `unread` are the
    WWIDs of maps whose section was removed from that file, but which multipathd has not forgotten
    yet.

    Only the daemon knows the rest, which is empty if it was not asked or did not answer
    (`answers` False). `in_force` is the `no_path_retry` that it has read, by WWID of the existing
    maps: a number of checks, or "queue" or "fail". `spelled` maps a path (/dev/sda) to the WWID as
    multipathd spells it, `checked` to what its checker found: "ready", "ghost" (standby), "faulty"
    and the like. `polling_interval` is in seconds. `queueing` is, by the name of the map, how it
    waits while no path works: "off", "on" (forever), "12 chk" (checks) or "-" (not set).
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
    checked: Mapping[str, str] = field(default_factory=dict)
    find_multipaths: str = "strict"
    polling_interval: int = 5
    queueing: Mapping[str, str] = field(default_factory=dict)
    endless_failover: tuple[str, ...] = ()

    @property
    def maps_every_disk(self) -> bool:
        """Whether multipathd creates a map for each disk that is not excluded, even over one path.

        `find_multipaths` "no" is the same as "greedy" (multipath.conf(5)).
        """
        return self.running and self.find_multipaths in {"greedy", "no", "off"}

    def settings_of(self, disk: str | None) -> MapSettings | None:
        """Return iscsictl's settings for the map of a disk, given its WWID as spelled by sysfs.

        None if there are none, and also if `files_were_read` is False, when they are not known.
        """
        return next((section for section in self.settings if section.disk == disk), None)
