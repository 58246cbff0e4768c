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

        device-mapper names the node itself, so it is there as long as the volume is open.
        """
        return f"/dev/mapper/{self.name}"

    @property
    def auto(self) -> bool:
        """Tell whether it is opened at boot.

        With `noauto` it is opened only when something pulls it in, such as a mount of it
        (crypttab(5)).
        """
        return "noauto" not in self.options

    @property
    def nofail(self) -> bool:
        """Tell whether a boot goes on without it; of `fail` and `nofail` the last counts.

        Without `nofail` cryptsetup.target requires it, and the boot waits for its disk
        (crypttab(5)).
        """
        return last_of(self.options, "fail", "nofail") == "nofail"
