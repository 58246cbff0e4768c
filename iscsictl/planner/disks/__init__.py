"""Plans for disks, partitions, filesystems and mounts."""
