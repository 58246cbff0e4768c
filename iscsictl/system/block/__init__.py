"""Block devices: discovery, probing, partition tables, SCSI commands, multipath, udev."""
