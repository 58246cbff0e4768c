"""The JSON of `multipathd show maps json` and `show map NAME json`."""

import re
from typing import Any

from iscsictl.model.capture import CapturedBlock, CapturedDisk, CapturedPath
from iscsictl.parse.lsblk_formats import JsonBlock
from iscsictl.parse.multipath_list import MultipathReader, standard_wwid

_BEGIN = re.compile(r"\"maps?\"\s*:\s*[\[{]")
_VERSION = re.compile(r"\"m(?:aj|in)or_version\"\s*:\s*\d+,?")


class MultipathJsonReader:
    """Collects the lines of the JSON, and passes its maps on when the last bracket is closed."""

    def __init__(self, maps: MultipathReader) -> None:
        self._maps = maps
        self._block: JsonBlock | None = None
        self._key = "maps"
        self._line = 0

    def take(self, line: str, number: int) -> bool:
        """Read one stripped line; False if it is not of this format."""
        if self._block is None:
            found = _BEGIN.match(line)
            if found is None:
                return _VERSION.fullmatch(line) is not None
            self._key = "maps" if found[0].startswith('"maps"') else "map"
            self._block, self._line = JsonBlock(line, self._key), number
        elif not self._block.add(line):
            return False  # the mark of a quote or list may be before it
        if self._block.is_whole:
            self.close()
        return True

    def close(self) -> None:
        """End the JSON; its complete parts are kept."""
        block, self._block = self._block, None
        document = block.document() if block is not None else None
        found = document.get(self._key) if document is not None else None
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                self._keep_map(one)

    def _keep_map(self, fields: dict[str, Any]) -> None:
        name, wwid = fields["name"], fields.get("uuid")
        disk = CapturedDisk(
            CapturedBlock(f"/dev/mapper/{name}", "mpath"),
            standard_wwid(wwid) if isinstance(wwid, str) else None,
            vendor=_text(fields.get("vend")),
            model=_text(fields.get("prod")),
            read_only={"ro": True, "rw": False}.get(str(fields.get("write_prot"))),
            paths=(),
        )
        self._maps.begin_map(disk, self._line)
        groups = fields.get("path_groups")
        for group in groups if isinstance(groups, list) else []:
            paths = group.get("paths") if isinstance(group, dict) else None
            for path in paths if isinstance(paths, list) else []:
                if isinstance(path, dict) and (device := _text(path.get("dev"))):
                    told_states = (path.get(key, "undef") for key in ("dm_st", "chk_st", "dev_st"))
                    states = " ".join(map(str, told_states)).split()
                    self._maps.add_path(CapturedPath(device=f"/dev/{device}"), states, self._line)
        self._maps.close()


def _text(value: object) -> str | None:
    """Return a text; None for other types, and for the ## of a value that could not be read."""
    text = value.strip() if isinstance(value, str) else ""
    return None if not text or text.startswith(("##", "[undef")) else text
