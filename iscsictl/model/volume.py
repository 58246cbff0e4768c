"""A volume of a file: a wish with a name, and what its file leaves to the host to find out."""

from collections.abc import Mapping

from iscsictl.lazyclass import dataclass
from iscsictl.model.spec import AttachWish

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
    """One [[volume]]. `wish` has neither the account nor the owner's numbers yet.

    `owner` is USER:GROUP as it stands in the file; `place` is where the volume begins.
    """

    name: str
    wish: AttachWish
    chap: Credential | None = None
    mutual: Credential | None = None
    owner: str | None = None
    place: Place = (1, 1)
