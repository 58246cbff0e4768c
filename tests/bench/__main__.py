"""`make bench`: all measurements, one after the other; on the lab where it can be had."""

import importlib

from tests.lab.image import LabUnavailableError

HERE = (
    "bench_start", "bench_ls", "bench_reconnect", "bench_blank", "bench_view", "bench_scale",
)  # fmt: skip
LAB = ("bench_attach", "bench_peers", "bench_many", "bench_apply")


def main() -> None:
    """Measure."""
    for name in (*HERE, *LAB):
        print(f"-- {name}", flush=True)
        try:
            importlib.import_module(f"tests.bench.{name}").main()
        except LabUnavailableError as error:
            print(f"no lab: {error}")


if __name__ == "__main__":
    main()
