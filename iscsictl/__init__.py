"""From a bare iSCSI LUN to a mounted, boot-proof filesystem in one safe command."""

__version__ = "0.1.0"
