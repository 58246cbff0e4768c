"""Text that a user pastes or pipes, without what terminals and web pages add to it."""

from iscsictl.parse.capture_text import decode_capture, numbered_lines


def plain_text(pasted: str | bytes) -> str:
    """Return the text without colours, markup and escapes; bytes may be UTF-8 or UTF-16.

    Bytes that are neither are replaced, so that the text can be printed.
    """
    text = decode_capture(pasted) if isinstance(pasted, bytes) else pasted
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "\n".join(line for _, line in numbered_lines(text))
