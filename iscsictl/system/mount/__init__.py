"""Mounts, their users, /etc/fstab and the udev rule."""
