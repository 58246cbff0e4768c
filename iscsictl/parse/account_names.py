"""CHAP names in a session listing, separated from the secrets that are printed beside them."""

from typing import NamedTuple

from iscsictl.model.listing import Note
from iscsictl.parse.printed_values import known


class Account(NamedTuple):
    """A CHAP name that waits for the line of its secret; `section` is what it belongs to."""

    section: dict[str, str | None]
    label: str
    name: str
    line: int


class AccountNames:
    """Holds each name until the line of its secret has come, and skips the secret unread.

    If lines were lost or moved, what looks like a name may be the secret, so a name that no secret
    follows is left out.
    """

    def __init__(self, warnings: list[Note]) -> None:
        self._warnings = warnings
        self.waiting: Account | None = None

    def hold(self, section: dict[str, str | None], label: str, name: str, line: int) -> None:
        """Hold a name until its secret has come.

        Then it is added to `section` under `label`; `line` counts from 1 and is for a warning.
        """
        self.waiting = Account(section, label, name, line)

    def release(self) -> Account | None:
        """Return the name that waits, and stop waiting for its secret.

        It has not been added to a section: `pass_secret` would do so, `leave_out` drops it.
        """
        waiting, self.waiting = self.waiting, None
        return waiting

    def pass_secret(self, label: str, number: int) -> None:
        """Skip a secret (or its stars), and with it a line that it was joined with.

        Its label does not show whose it is, because that differs between versions.
        """
        account = self.release()
        if label not in ("password", "password_in"):
            self._warnings.append(Note("skipped, because it may contain a secret", number))
        elif account is not None:
            account.section.setdefault(account.label, known(account.name))

    def leave_out(self, account: Account | None) -> None:
        """Drop a name that no secret follows; nothing happens for None.

        Its label is None from then on, so that no later line of the section fills it.
        """
        if account is not None:
            account.section.setdefault(account.label, None)
            text = "the CHAP section is damaged here; the name is left out"
            self._warnings.append(Note(text, account.line))
