"""`make bench`: all measurements, one after the other."""

from tests.bench import bench_ls


def main() -> None:
    """Measure."""
    bench_ls.main()


if __name__ == "__main__":
    main()
