"""A file of volumes, with its paths resolved on this host."""

from dataclasses import dataclass

from iscsictl.model.spec import Volume
from iscsictl.parse.toml import decoded, parse_toml, where
from iscsictl.planner.volumes.file import read_volumes
from iscsictl.system.io.safe_paths import resolve_path


@dataclass(frozen=True)
class VolumesFile:
    """The volumes of a file; `owners` says, by volume name, where in the file its owner is."""

    volumes: tuple[Volume, ...]
    owners: dict[str, str]


def decode_file(data: bytes, name: str) -> str:
    """Return the text of a file. Raises UsageError for what is not UTF-8, with the line."""
    return decoded(data, name)


def read_volumes_file(text: str, name: str) -> VolumesFile:
    """Read the volumes of a file called `name`. Raises UsageError with line and column.

    Mount points are resolved as the kernel would; raises RefusedError if one leads through a link
    that another user could have created. No secret file is opened.
    """
    toml, places = parse_toml(text, name)
    volumes = tuple(read_volumes(toml, places, name, resolve_path))
    owners = {
        volume.name: where(name, places.get(("volume", number, "owner"), (1, 1)))
        for number, volume in enumerate(volumes)
    }
    return VolumesFile(volumes, owners)
