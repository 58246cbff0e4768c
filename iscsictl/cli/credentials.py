"""Where secrets come from: a file, stdin, a prompt, or a systemd credential."""

import socket
import sys
from typing import TYPE_CHECKING

import click

from iscsictl.cli.options import Settings, print_message
from iscsictl.cli.question import asking
from iscsictl.errors import RefusedError, UsageError
from iscsictl.lazy_import import lazy_import
from iscsictl.model import values
from iscsictl.model.secret import Secret
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import Account

# Needed only if an account is given.
if TYPE_CHECKING:
    from iscsictl.checks import secret_strength
    from iscsictl.observers import accounts, secret_files
else:
    secret_strength = lazy_import("iscsictl.checks.secret_strength")
    accounts = lazy_import("iscsictl.observers.accounts")
    secret_files = lazy_import("iscsictl.observers.secret_files")

_HINT = (
    "open-iscsi accepts 1 to 255 bytes without leading or trailing spaces; see: iscsictl chap check"
)


def read_secret(
    settings: Settings,
    file: str | None,
    *,
    prompt: bool,
    whose: str,
    twice: bool = False,
    relative: bool = True,
) -> Secret | None:
    """Return the secret from a file (`-` is stdin; one trailing newline is dropped) or a prompt.

    `twice`: a prompt asks for it twice, for a secret that is not tried at once. Unless `relative`,
    a name without a path is a systemd credential only. Raises UsageError, or UnreachableError if a
    pipe or a device delivers nothing in time.
    """
    if file is None and not prompt:
        return None
    if file is not None and prompt:
        raise UsageError(f"{whose}: give a secret file or a prompt, not both")
    if file is None:
        text = ask_secret(whose, twice=twice)
    else:
        text = read_text(settings, file, whose, relative=relative)
    try:
        return Secret(text)
    except ValueError as error:
        raise UsageError(f"{whose}: {error}", hint=_HINT) from None


def ask_secret(whose: str, *, twice: bool) -> str:
    """Ask for a secret, once or twice, without echo. Raises UsageError if there is no terminal.

    With `twice` both answers must be the same. A signal raises InterruptError, the end of input
    raises click.Abort.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"{whose}: there is no terminal for the prompt",
            hint="give the secret in a file, or on standard input: "
            f"--{'mutual' if whose.endswith('array') else 'chap'}-secret-file -",
        )
    with asking():
        return str(click.prompt(whose, hide_input=True, confirmation_prompt=twice, err=True))


def read_text(settings: Settings, file: str, whose: str, *, relative: bool = True) -> str:
    """Return the secret in a file, and warn if other users can read the file.

    `-` is standard input; `whose` is what errors and warnings call the secret; `relative` as in
    `read_secret`. Raises UsageError, or UnreachableError if a pipe or a device delivers nothing in
    time.
    """
    secret_file = secret_files.read_secret_file(file, whose, settings.wait, relative=relative)
    if secret_file.mode is not None and not settings.quiet:
        print_message(
            f"warning: {whose}: users other than root can read {file} "
            f"(mode {secret_file.mode:04o}): chmod 600 {shell_form(file)}"
            if file != "-"
            else f"warning: {whose}: users other than root can read the file on standard input"
        )
    return secret_file.text


def account(
    user: str | None,
    secret: Secret | None,
    mutual_user: str | None,
    mutual_secret: Secret | None,
) -> Account | None:
    """Return an account of these parts, None if none was given.

    Raises UsageError if a name or a secret is missing, and if both secrets are the same: RFC 7143
    (9.2.1) forbids that, and open-iscsi refuses it at login.
    """
    if (user is None) != (secret is None):
        raise UsageError(
            "a CHAP account needs both a name and a secret", hint=_hint_for_half("chap", user)
        )
    if (mutual_user is None) != (mutual_secret is None):
        raise UsageError(
            "the array's CHAP account needs both a name and a secret",
            hint=_hint_for_half("mutual", mutual_user),
        )
    if mutual_user is not None and user is None:
        raise UsageError(
            "mutual CHAP also needs this host's own account",
            hint="add --chap-user NAME, and --chap-secret-file FILE or --chap-secret-prompt",
        )
    if mutual_secret is not None and mutual_secret == secret:
        raise UsageError(
            "the two secrets of mutual CHAP must differ (RFC 7143); open-iscsi refuses equal ones",
            hint="give the array a different secret: iscsictl chap generate",
        )
    if user is None or secret is None:
        return None
    for name in (user, mutual_user or "x"):
        why = values.chap_name_problem(name)
        if why is not None:
            raise UsageError(why)
    return Account(user, secret, mutual_user, mutual_secret)


def _hint_for_half(prefix: str, user: str | None) -> str:
    """Return which option of an account is missing: the name, if `user` is None, or the secret."""
    if user is None:
        return f"add --{prefix}-user NAME"
    return f"add --{prefix}-secret-file FILE, or --{prefix}-secret-prompt"


def judge_account(settings: Settings, given: Account, target: str | None) -> None:
    """Warn of weak secrets, and of one that other targets have too; they are used nevertheless.

    If the target has a shared secret already, the warning has been given; `doctor` repeats it.
    Raises RefusedError for a secret that the standard or open-iscsi does not allow.
    """
    words = [socket.gethostname(), target or ""]
    for secret, user, whose in (
        (given.secret, given.user, "the secret"),
        (given.mutual_secret, given.mutual_user, "the array's secret"),
    ):
        if secret is None:
            continue
        verdicts = [*secret_strength.judge_secret(secret.reveal(), user=user, words=words)]
        # A target has the same account in each of its records.
        having = set(accounts.targets_with_secret(secret, settings.root))
        if having and target is not None and target not in having:
            verdicts.append(secret_strength.shared_with(having))
        for verdict in verdicts:
            if verdict.level == "refuse":
                raise RefusedError(f"{whose}: {verdict.text}", hint="iscsictl chap generate")
            if verdict.id in {"array-limit", "characters"}:
                continue  # About other arrays: this one chose the secret, or will refuse it.
            if verdict.level == "warn" and not settings.quiet:
                print_message(f"warning: {whose}: {verdict.text}")
