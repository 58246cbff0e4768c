"""Have every disk that lost its table refused: python -m tests.bench.blank_matrix [TIMES].

It takes minutes. Its offsets are random, so several rounds say more than one.
"""

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from iscsictl.model.reservation import LunReservations
from iscsictl.system.block import reservations, scsi_commands
from tests.unit.blank_cells import all_cells, is_refused, missing_tool
from tests.unit.loops import WWID


def main() -> None:
    """Print each cell that was not refused, and the sums."""
    if os.geteuid():
        raise SystemExit("loop devices need root")
    # A loop device answers no SCSI command.
    scsi_commands.wwids = lambda *_: frozenset({WWID})
    reservations.read_reservations = lambda *_, **_more: LunReservations(supported=False)
    sums: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
            for cell in all_cells():
                if missing_tool(cell) is not None:
                    sums["without a tool"] += 1
                    continue
                refused = is_refused(cell, Path(folder, "image"))
                sums["refused, unchanged" if refused else "TAKEN FOR BLANK"] += 1
                if not refused:
                    print(f"taken for blank: {cell}", flush=True)
    print(", ".join(f"{count} {what}" for what, count in sums.items()))
    if sums["TAKEN FOR BLANK"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
