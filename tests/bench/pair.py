"""The pair of machines that is measured: it has this one to itself."""

from tests.lab.pair import Lab

TWO_CORES = ("-smp", "2")


def start(suite: str) -> Lab:
    """Boot a pair, as `Lab.start` does, each machine with both cores."""
    return Lab.start(suite, extra={"array": TWO_CORES, "host": TWO_CORES})
