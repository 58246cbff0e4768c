"""What `wipefs --json --no-act` prints (util-linux, since 2.33): the signatures on a device."""

import json

from iscsictl.errors import IscsictlError
from iscsictl.model.disk_content import Signature


def parse_signatures(text: str) -> tuple[Signature, ...]:
    """Parse the output of `wipefs --json --no-act DEVICE`; empty output means no signature.

    Raises IscsictlError for anything other than wipefs' own format: what cannot be parsed must not
    count as a blank disk.
    """
    # Without a signature wipefs prints no JSON at all.
    if not text.strip():
        return ()
    try:
        return tuple(
            Signature(
                str(row["type"]),
                int(str(row["offset"]), 0) if row.get("offset") else None,
                str(row["uuid"]) if row.get("uuid") else None,
                str(row["label"]) if row.get("label") else None,
            )
            for row in json.loads(text)["signatures"]
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IscsictlError(f"the output of wipefs cannot be understood: {error}") from None
