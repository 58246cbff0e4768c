"""A Listing as a tree: portal - target - session - LUN - partition - filesystem - mount."""

from iscsictl.model.listing import Block, Listing
from iscsictl.output.table import status_style
from iscsictl.output.terminal import Screen
from iscsictl.output.text import human_size
from iscsictl.output.tree import Node, print_tree
from iscsictl.output.views.ls_text import mount_text, place_of


def print_sessions(listing: Listing, screen: Screen) -> None:
    """Draw the sessions below their portals."""
    print_tree(tree_of(listing), screen)


def tree_of(listing: Listing) -> list[Node]:
    """Return the tree portal - target - session - LUN - partition - filesystem - mount.

    A disk with several paths is drawn below each of them. What is not known is left out or marked
    as such.
    """
    top = Node("")
    disks = {(path.sid, path.hctl): disk for disk in listing.disks or () for path in disk.paths}
    for session in listing.sessions:
        place = top.child(f"portal {place_of(session) or 'not known'}")
        words = [f"session {'?' if session.sid is None else session.sid}", session.status]
        words += [word for word in (session.transport, session.iface) if word]
        node = Node(" ".join(words), style=status_style(session.status))
        place.child(session.target or "target not known").children.append(node)
        for lun in session.luns or ():
            parts = [f"LUN {lun.lun}", lun.device, lun.wwid or lun.page83, lun.shown_state]
            disk = disks.get((session.sid or 0, lun.hctl or ""))
            if disk:
                parts.insert(2, human_size(disk.block.size))
            leaf = node.child(" ".join(part for part in parts if part))
            if disk and disk.block.kind != "disk":
                leaf.children.append(_block_node(disk.block))
            elif disk:
                leaf.children += _content_nodes(disk.block)
    return top.children


def _block_node(block: Block) -> Node:
    parts = (block.device, block.kind, human_size(block.size))
    return Node(" ".join(part for part in parts if part), _content_nodes(block))


def _content_nodes(block: Block) -> list[Node]:
    nodes = []
    if block.fstype or block.mounts:
        words = (block.fstype or "mounted", block.label, block.uuid)
        mounts = [Node(mount_text(mount)) for mount in block.mounts]
        nodes.append(Node(" ".join(word for word in words if word), mounts))
    return nodes + [_block_node(child) for child in block.children]
