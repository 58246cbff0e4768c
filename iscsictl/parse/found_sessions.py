"""The sessions of a capture, in its order, and where each of them was found."""

from iscsictl.model.listing import Note, Session


class FoundSessions:
    """The readers add sessions; the lists have one value for each.

    `lines` counts from 1. `hosts` has the host in the prompt before the output, `files` the file of
    a bundle; both are None if unknown.
    """

    def __init__(self) -> None:
        self.found: list[Session] = []
        self.lines: list[int] = []
        self.hosts: list[str | None] = []
        self.files: list[str | None] = []

    def add(self, session: Session, line: int) -> None:
        """Add a session that begins in this line."""
        self.found.append(session)
        self.lines.append(line)

    def end_output(self, host: str | None) -> None:
        """Note the host of the sessions that were added since the last output."""
        self.hosts += [host] * (len(self.found) - len(self.hosts))

    def end_file(self, name: str) -> None:
        """Note the file of the sessions that were added since the last file."""
        self.files += [name] * (len(self.found) - len(self.files))

    def note(self, text: str, index: int) -> Note:
        """Return a warning about a session, with its line and its file."""
        name = self.files[index] if self.files else None
        return Note(text if name is None else f"{text} (in {name})", self.lines[index])
