"""open-iscsi: iscsiadm, the node database, sessions in sysfs."""
