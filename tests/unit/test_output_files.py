"""Files that the user names for output: no link is followed to them, nothing of others replaced."""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from iscsictl.engine.output_files import save_plan, save_secret
from iscsictl.errors import Exit, IscsictlError, RefusedError
from iscsictl.model.secret import Secret
from iscsictl.system.io.files import protect, remove_file, replace_file
from tests.commands import call
from tests.patience import PATIENCE
from tests.unit.test_safe_paths import NOBODY, home, link_of, swapped

__all__ = ["home"]
VOLUME = """
[[volume]]
name = "one"
portals = ["192.0.2.1"]
target = "iqn.2001-04.com.example:one"
"""
Save = Callable[[Path], object]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="two users need root")
SAVES = {
    "a plan": lambda path: save_plan(path, "{}\n"),
    "a secret": lambda path: save_secret(path, Secret("0123456789ab")),
}


@pytest.fixture(params=SAVES)
def save(request: pytest.FixtureRequest) -> Save:
    return SAVES[request.param]


@pytest.mark.fault("F77")
@pytest.mark.parametrize("there", [True, False])
def test_output_follows_no_link_not_even_ones_own(tmp_path: Path, save: Save, there: bool) -> None:
    victim = tmp_path / "victim"
    if there:
        victim.write_text("theirs")
    link = tmp_path / "link"
    link.symlink_to(victim)
    with pytest.raises(RefusedError) as caught:
        save(link)
    assert caught.value.exit is Exit.REFUSED
    assert caught.value.hint
    assert link.is_symlink()
    assert victim.exists() == there
    assert not there or victim.read_text() == "theirs"


@needs_root
@pytest.mark.fault("F77")
def test_output_goes_through_no_directory_link_of_another_user(home: Path, save: Save) -> None:
    victim = home.parent / "etc"
    victim.mkdir()
    link_of(NOBODY, home / "out", victim)
    with pytest.raises(RefusedError, match="another user could have created"):
        save(home / "out/file")
    assert not any(victim.iterdir())


@needs_root
@pytest.mark.fault("F77")
def test_a_file_of_another_user_is_not_taken_for_output(home: Path, save: Save) -> None:
    theirs = home / "plan"
    theirs.write_text("theirs")
    os.chown(theirs, NOBODY, NOBODY)
    with pytest.raises(RefusedError):
        save(theirs)
    assert theirs.read_text() == "theirs"


def test_a_plan_replaces_a_plan_and_a_secret_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in ("one", "two"):
        save_plan(path, text)
        assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (text, 0o644)
    with pytest.raises(RefusedError, match="already exists and is not overwritten"):
        save_secret(path, Secret("0123456789ab"))
    path.unlink()
    save_secret(path, Secret("0123456789ab"))
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("0123456789ab\n", 0o600)


@pytest.mark.fault("F77")
def test_the_commands_refuse_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("victim")
    (tmp_path / "one.toml").write_text(VOLUME)
    for words in (["chap", "generate", "--out", "link"], ["plan", "one.toml", "--out", "link"]):
        answer = call(words, tmp_path, uid=0)
        assert answer.code == Exit.REFUSED, answer.err
        assert "hint: " in answer.err
    assert not (tmp_path / "victim").exists()


@needs_root
@pytest.mark.fault("F77")
def test_nothing_is_written_elsewhere_while_a_user_swaps_a_link_in(home: Path) -> None:
    victim = home.parent / "etc"
    victim.mkdir()
    (victim / "file").write_text("theirs")
    (victim / "file").chmod(0o640)
    (home / "here").mkdir()
    os.chown(home / "here", NOBODY, NOBODY)
    link_of(NOBODY, home / "there", victim)
    path = home / "here/file"
    outcomes: set[bool] = set()
    with swapped(home / "here", home / "there"):
        end = time.monotonic() + 3
        # Both outcomes are met, however seldom the other user gets the processor.
        while time.monotonic() < end or len(outcomes) < 2:
            assert time.monotonic() < end + PATIENCE, outcomes
            for attempt in (
                lambda: save_plan(path, "ours"),
                lambda: replace_file(path, b"ours", mode=0o600),
                lambda: protect(path),
                lambda: remove_file(path),
                lambda: save_secret(path, Secret("0123456789ab")),
            ):
                try:
                    attempt()
                    outcomes.add(True)
                except IscsictlError:
                    outcomes.add(False)
    assert [entry.name for entry in victim.iterdir()] == ["file"]
    assert (victim / "file").read_text() == "theirs"
    assert stat.S_IMODE((victim / "file").stat().st_mode) == 0o640


@needs_root
@pytest.mark.fault("F77")
def test_a_file_behind_a_link_of_another_user_is_not_replaced(home: Path) -> None:
    victim = home.parent / "victim"
    victim.write_text("theirs")
    link = link_of(NOBODY, home / "link", victim)
    with pytest.raises(RefusedError, match="another user could have created"):
        replace_file(link, b"ours")
    with pytest.raises(RefusedError):
        protect(link)
    assert victim.read_text() == "theirs"
