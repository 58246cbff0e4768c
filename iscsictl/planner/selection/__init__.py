"""Which record, LUN, disk or path a name means."""
