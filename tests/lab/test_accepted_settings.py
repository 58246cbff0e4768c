"""500 accepted changes of settings on a guest: its own iscsiadm lists everything after each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.pair import Lab

pytestmark = [pytest.mark.torture, pytest.mark.every_suite]

SCRIPT = Path(__file__).parents[1] / "accepted_settings.py"
#: Accepted changes of one run, and a seed for each run. A change takes seconds in a guest.
CHANGES = 100
SEEDS = (811, 812, 813, 814, 815)


@pytest.mark.fault("F81")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_iscsiadm_of_the_suite_lists_everything_after_each_accepted_change(
    lab: Lab, seed: int
) -> None:
    lab.host.put("/root/accepted_settings.py", SCRIPT.read_bytes())
    # The Python that runs iscsictl: the first line of the program says which.
    python = lab.host.run("sed -n '1s/^#!//p' $(command -v iscsictl)", check=True).out.strip()
    done = lab.host.run(f"{python} /root/accepted_settings.py {CHANGES} {seed}", timeout=1400)
    assert done.code == 0, str(done)
    assert done.out.startswith(f"{CHANGES} accepted"), str(done)
