"""`make bench`: all measurements, one after the other; on the lab where it can be had.

In the end all figures of this run are printed as one table, and docs/speed.md gets them too.
"""

import importlib

from tests.bench import table
from tests.lab.image import LabUnavailableError

HERE = (
    "bench_start", "bench_ls", "bench_reconnect", "bench_blank", "bench_view", "bench_scale",
)  # fmt: skip
LAB = (
    "bench_attach", "bench_paths", "bench_failover", "bench_peers", "bench_many", "bench_apply",
    "bench_at_once",
)  # fmt: skip


def main() -> None:
    """Measure, and print the table."""
    for name in (*HERE, *LAB):
        print(f"-- {name}", flush=True)
        try:
            importlib.import_module(f"tests.bench.{name}").main()
        except LabUnavailableError as error:
            print(f"no lab: {error}")
    table.update_document()
    print(table.render(table.noted))


if __name__ == "__main__":
    main()
