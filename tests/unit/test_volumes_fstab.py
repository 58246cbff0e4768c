"""Several volumes change fstab in one round: an edit that is refused is refused alone."""

import threading
from pathlib import Path

import pytest

from iscsictl.engine import coalescing
from iscsictl.engine.volumes_context import Edit, VolumesContext
from iscsictl.errors import IscsictlError, RefusedError
from iscsictl.model.fstab import Fstab
from iscsictl.parse.fstab import parse_fstab, render_fstab
from tests.patience import PATIENCE, await_until
from tests.unit.fake_clock import FakeClock

OLD = b"# made by hand\n"


def append_comment(text: str) -> Edit:
    return lambda now: parse_fstab(render_fstab(now) + f"# {text}\n".encode())


def refuse_edit(_: Fstab) -> Fstab:
    raise RefusedError("/etc/fstab no longer has a claim on /dev/sdb")


def edit_together(context: VolumesContext, edits: dict[str, Edit]) -> dict[str, object]:
    """Have each edit made by a thread of its own; return the result or the error of each."""
    found: dict[str, object] = {}
    context.at_work = len(edits)

    def edit_one(name: str) -> None:
        try:
            found[name] = context.edit_fstab(edits[name])
        except IscsictlError as error:
            found[name] = error

    threads = [threading.Thread(target=edit_one, args=(name,)) for name in edits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return found


def test_an_edit_that_is_refused_fails_no_other_of_its_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "etc/fstab"
    path.parent.mkdir()
    path.write_bytes(OLD)
    edits: dict[str, Edit] = {
        "first": append_comment("one"),
        "refused": refuse_edit,
        "last": append_comment("two"),
    }
    context = VolumesContext(PATIENCE, tmp_path)
    # The round begins when all of them have come, whichever thread is slow.
    clock = FakeClock(lambda: await_until(lambda: len(context._edits._waiting) == len(edits)))
    monkeypatch.setattr(coalescing, "time", clock)
    found = edit_together(context, edits)
    assert isinstance(found["refused"], RefusedError)
    for name in ("first", "last"):
        assert found[name] == (True, parse_fstab(OLD))
    assert sorted(path.read_bytes().splitlines()) == [b"# made by hand", b"# one", b"# two"]
