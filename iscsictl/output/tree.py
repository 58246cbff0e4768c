"""Trees drawn with box-drawing characters, or with ASCII if the locale has none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from iscsictl.lazy_import import lazy_import
from iscsictl.output.terminal import Screen
from iscsictl.output.text import escape_controls

rich_console = lazy_import("iscsictl.output.rich_console")


@dataclass
class Node:
    """A line of a tree and what is below it; `style` colours the line and adds no meaning."""

    text: str
    children: list["Node"] = field(default_factory=list)
    style: str = ""

    def child(self, text: str) -> "Node":
        """Return the child with this text, which is created if it does not exist.

        So everything below lines with the same text is drawn below one line.
        """
        for node in self.children:
            if node.text == text:
                return node
        node = Node(text)
        self.children.append(node)
        return node


def print_tree(roots: Sequence[Node], screen: Screen) -> None:
    """Print trees. Nothing is shortened: a narrow terminal wraps the lines.

    Control characters are escaped. If the locale has no box-drawing characters, ASCII is used.
    """
    if screen.color:
        _print_styled(roots, screen)
        return
    marks = ("├─ ", "└─ ", "│  ") if screen.unicode else ("|- ", "`- ", "|  ")
    lines = []
    for root in roots:
        lines.append(escape_controls(root.text))
        lines += _draw_children(root, "", marks)
    screen.write("".join(line + "\n" for line in lines))


def _draw_children(node: Node, indent: str, marks: tuple[str, str, str]) -> Iterator[str]:
    for child in node.children:
        last = child is node.children[-1]
        yield indent + marks[1 if last else 0] + escape_controls(child.text)
        yield from _draw_children(child, indent + ("   " if last else marks[2]), marks)


def _print_styled(roots: Sequence[Node], screen: Screen) -> None:
    trees = []
    for root in roots:
        tree = rich_console.new_tree(escape_controls(root.text))
        trees.append(tree)
        todo = [(root, tree)]
        while todo:
            node, branch = todo.pop()
            todo += [
                (child, rich_console.add_branch(branch, escape_controls(child.text), child.style))
                for child in node.children
            ]
    rich_console.print_trees(trees, screen.stream, screen.width)
