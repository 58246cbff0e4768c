"""What iscsictl accepts as a setting, the real iscsiadm reads: every record and every value."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.accepted_settings import Trial
from tests.commands import call

if TYPE_CHECKING:
    from tests.real_iscsiadm import RealIscsiadm

CHANGES = int(os.environ.get("ACCEPTED_CHANGES", "500"))
SEED = 81


@pytest.mark.fault("F81")
def test_after_each_accepted_change_iscsiadm_lists_everything(
    real_iscsiadm: RealIscsiadm,
) -> None:
    machine = real_iscsiadm
    trial = Trial(
        random.Random(SEED),
        machine.root,
        machine.run,
        lambda words: call(words, machine.root, uid=0).code,
    )
    trial.prepare()
    while trial.accepted.total() < CHANGES:
        trial.change_once()
    # Each way was used, accepted something and refused something.
    assert set(trial.accepted) == set(trial.refused) | {"import"}
    assert min(trial.accepted.values()) > CHANGES / 50
