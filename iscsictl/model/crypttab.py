"""/etc/crypttab: what systemd-cryptsetup opens at boot (crypttab(5))."""

from dataclasses import dataclass

from iscsictl.model.fstab import last_of


@dataclass(frozen=True)
class CrypttabEntry:
    """One entry: `device` is opened as /dev/mapper/`name`. `number` is its line, from 1."""

    number: int
    name: str
    device: str
    options: tuple[str, ...] = ()

    @property
    def mapper(self) -> str:
        """The path of the opened volume.

        device-mapper creates the node itself, so it exists as long as the volume is open.
        """
        return f"/dev/mapper/{self.name}"

    @property
    def at_boot(self) -> bool:
        """Whether the volume is opened at boot; the last of `auto` and `noauto` counts.

        With `noauto` it is opened only when another unit requires it, such as its mount
        (crypttab(5), systemd-cryptsetup-generator).
        """
        return last_of(self.options, "auto", "noauto") != "noauto"

    @property
    def nofail(self) -> bool:
        """Whether the boot continues without the volume; the last of `fail` and `nofail` counts.

        Without `nofail`, cryptsetup.target requires it and the boot waits for its disk
        (crypttab(5)).
        """
        return last_of(self.options, "fail", "nofail") == "nofail"
