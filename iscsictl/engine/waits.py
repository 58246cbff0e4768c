"""What a command needs to show what it waits for."""

from iscsictl.system.io.waits import show_waits_on, waiting

__all__ = ["show_waits_on", "waiting"]
