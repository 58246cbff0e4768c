"""A CHAP secret, as a type that no log, repr, JSON or traceback can show."""

from typing import Final

# The buffer of open-iscsi has 256 bytes, with the NUL at the end (AUTH_STR_MAX_LEN).
MAX_BYTES: Final = 255


class Secret:
    """Holds a secret, which only `reveal` shows.

    Raises ValueError for what open-iscsi cannot store: empty text, more than 255 bytes, blanks at
    either end (its reader strips them), a newline or a NUL inside.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text:
            raise ValueError("the secret is empty")
        if len(text.encode("utf-8", "surrogateescape")) > MAX_BYTES:
            raise ValueError(f"the secret is longer than {MAX_BYTES} bytes")
        # str.strip() strips more kinds of blank than open-iscsi, such as the no-break space of a
        # web page: at either end of a secret they are an accident of copying.
        if text != text.strip():
            raise ValueError("the secret begins or ends with a space, which open-iscsi drops")
        if any(c in text for c in "\n\r\0"):
            raise ValueError("the secret contains a line break or a NUL")
        self._text = text

    def reveal(self) -> str:
        """Return the text itself.

        The caller is responsible for where it goes: a file of mode 0600, a keyed hash, a check of
        its strength, or the terminal of the user who asked for it.
        """
        return self._text

    def __repr__(self) -> str:
        return "Secret(********)"

    def __str__(self) -> str:
        return "********"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    # pickle would put the text into a file or a pipe in the clear.
    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")
