"""Signals while a question is asked on the terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from iscsictl.engine.runtime import interrupt_at_once
from iscsictl.errors import InterruptError
from iscsictl.output.terminal import screen_of
from iscsictl.output.text import fold


def fit_question(question: str) -> str:
    """Return a question in lines that the terminal does not break within a word.

    Click writes a colon and a blank behind it.
    """
    width = screen_of(sys.stderr).width
    return fold(question, None if width is None else width - len(": "))


@contextmanager
def asking() -> Iterator[None]:
    """Let a signal end a question at once, with InterruptError, and start a new line after it.

    The end of input still raises click.Abort.
    """
    try:
        with interrupt_at_once():
            yield
    except (InterruptError, click.Abort):
        if sys.stderr.isatty():
            click.echo(err=True)
        raise
