"""What a signal ends at once."""

import signal

import pytest

from iscsictl.errors import InterruptError
from iscsictl.system.io import signals


@pytest.mark.parametrize("number", [2, 15])
def test_a_signal_ends_a_wait_on_the_user_at_once(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(signals, "_asked", [])
    before = signal.getsignal(number)
    with pytest.raises(InterruptError) as caught, signals.at_once():
        signal.raise_signal(number)
    assert caught.value.exit == 128 + number
    assert signal.getsignal(number) is before
