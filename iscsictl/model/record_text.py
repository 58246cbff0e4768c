"""What text a record of open-iscsi can store, and which of its values are secret."""

from typing import Final

#: The longest name in bytes: the reader copies it into 128 (idbm.h, NAME_MAXVAL) unchecked.
MAX_KEY: Final = 127
#: The longest value in bytes: the reader copies it into 256 (idbm.h, VALUE_MAXVAL) unchecked.
MAX_VALUE: Final = 255
#: The characters that open-iscsi treats as blanks: isspace(3) in the C locale.
BLANKS: Final = " \t\n\v\f\r"
MASK: Final = "********"
#: The CHAP secrets of all kinds of record, and those of an adapter's table (iscsiadm -m host).
SECRET_KEYS: Final = frozenset(
    f"{table}.auth.{key}"
    for table in ("node.session", "discovery.sendtargets", "host")
    for key in ("password", "password_in")
)


def unstorable_reason(value: str) -> str | None:
    """Return why a record cannot store this text, to follow "the value"; None if it can.

    The length is counted in bytes: open-iscsi copies a longer value past the end of its buffer.
    """
    if len(value.encode("utf-8", "surrogateescape")) > MAX_VALUE:
        return f"is longer than {MAX_VALUE} bytes"
    if any(c in value for c in "\n\r\0"):
        return "contains a line break or a NUL"
    # It would be read back without the blanks, so every later comparison would find a difference.
    if value != value.strip(BLANKS):
        return "begins or ends with a space, which open-iscsi drops"
    return None
