"""Coloured tables and trees, drawn by rich."""

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

Cells = Sequence[tuple[str, ...]]


def print_styled_table(
    header: Sequence[tuple[str, bool, int]],
    rows: Sequence[Sequence[Sequence[tuple[str, str]]]],
    stream: TextIO,
    width: int,
    gap: int,
) -> None:
    """Print a table that already fits `width` terminal cells.

    `header` has the title of each column, whether it is right-aligned, and its width. A cell is a
    sequence of lines, each with its rich style. Text is never interpreted as markup, so `[sda]` is
    printed as it is.
    """
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for title, right, cells in header:
        table.add_column(
            Text(title), justify="right" if right else "left", no_wrap=True, width=cells
        )
    for row in rows:
        table.add_row(
            *(Text("\n").join(Text(line, style=style) for line, style in cell) for cell in row)
        )
    # highlight would colour numbers and paths by itself.
    Console(file=stream, width=width + gap, highlight=False, soft_wrap=False).print(table)


def new_tree(text: str) -> Tree:
    """Return the root of a tree. The text is never interpreted as markup."""
    return Tree(Text(text, style="bold"), guide_style="dim")


def add_branch(tree: Tree, text: str, style: str) -> Tree:
    """Add a line below another and return it.

    `style` is one of rich's, empty for none. The text is never interpreted as markup.
    """
    return tree.add(Text(text, style=style))


def print_trees(trees: Sequence[Tree], stream: TextIO, width: int | None) -> None:
    """Print trees one below the other.

    `width` is in terminal cells; with None, rich asks the terminal. Longer lines are wrapped.
    """
    console = Console(file=stream, width=width, highlight=False)
    for tree in trees:
        console.print(tree)
