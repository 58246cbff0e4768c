"""Mounts, their holders, /etc/fstab and the udev rule."""
