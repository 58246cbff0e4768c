"""CHAP names of a session listing, kept apart from the secrets that are printed beside them."""

from typing import NamedTuple

from iscsictl.model.listing import Note
from iscsictl.parse.printed_values import known


class Account(NamedTuple):
    """A CHAP name that waits for the line of its secret; `section` is where it belongs."""

    section: dict[str, str | None]
    label: str
    name: str
    line: int


class AccountNames:
    """Holds each name until the line of its secret has come, and passes over the secret unread.

    Where lines were lost or moved, what looks like a name may be the secret, so a name without a
    secret behind it is left out.
    """

    def __init__(self, warnings: list[Note]) -> None:
        self._warnings = warnings
        self.waiting: Account | None = None

    def hold(self, section: dict[str, str | None], label: str, name: str, line: int) -> None:
        """Hold a name until its secret has come.

        `section` gets it then, under `label`; `line` counts from 1 and is for a warning.
        """
        self.waiting = Account(section, label, name, line)

    def release(self) -> Account | None:
        """Return the name that waits; none waits any more.

        It is in no section yet: `pass_secret` keeps it, `leave_out` drops it.
        """
        waiting, self.waiting = self.waiting, None
        return waiting

    def pass_secret(self, label: str, number: int) -> None:
        """Pass over a secret (or its stars), and with it over a line that it ran into.

        Its label does not tell whose it is, because that differs between versions.
        """
        account = self.release()
        if label not in ("password", "password_in"):
            self._warnings.append(Note("skipped, because a secret may be in it", number))
        elif account is not None:
            account.section.setdefault(account.label, known(account.name))

    def leave_out(self, account: Account | None) -> None:
        """Drop a name that no secret follows; nothing happens for None.

        Its label is None from then on, so that no later line of the section fills it.
        """
        if account is not None:
            account.section.setdefault(account.label, None)
            text = "the CHAP section is damaged here, the name is left out"
            self._warnings.append(Note(text, account.line))
