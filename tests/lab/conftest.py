"""Fixtures of the lab: a pair for each suite, one at a time, clean for each test."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.image import SUITES, LabUnavailableError
from tests.lab.install import PROJECT, build_collection
from tests.lab.pair import Lab
from tests.lab.secret_watch import StandingWatch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from tests.lab.array import Array
    from tests.lab.guest import Guest
    from tests.lab.rundir import Role

HERE = Path(__file__).parent
CHOSEN = os.environ.get("LAB_SUITES", ",".join(SUITES)).replace(",", " ").split()
unavailable: list[str] = []
running: list[Lab] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test of this directory `lab`; leave to TORTURE=1 what is too long otherwise."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.lab)
    if os.environ.get("TORTURE") != "1":
        left = [item for item in items if is_for_torture(item)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def is_for_torture(item: pytest.Item) -> bool:
    """Tell whether a test waits for the long run: by its mark, or on a suite but the first."""
    if item.get_closest_marker("torture"):
        return True
    chosen = getattr(item, "callspec", None)
    suite = chosen.params.get("suite", CHOSEN[0]) if chosen is not None else CHOSEN[0]
    return suite != CHOSEN[0] and not item.get_closest_marker("every_suite")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what both guests last had to say."""
    report: pytest.TestReport = yield
    if report.skipped and unavailable and HERE in item.path.parents:
        # One place for all of them, so that pytest shows one line.
        report.longrepr = (str(HERE / "conftest.py"), 1, f"Skipped: no lab: {unavailable[0]}")
    if report.failed and running and HERE in item.path.parents:
        report.sections.append(("consoles of the lab", running[-1].consoles()))
    return report


def lab_or_skip(suite: str, extra: Mapping[Role, Sequence[str]] | None = None) -> Lab:
    """A pair, or the one line that says why there can be none; `extra` as for `Lab.start`."""
    if not unavailable:
        try:
            return Lab.start(suite, extra=extra)
        except LabUnavailableError as error:
            unavailable.append(str(error))
    pytest.skip(f"no lab: {unavailable[0]}")


@pytest.fixture(scope="session", autouse=True)
def end_session_on_sigterm() -> Iterator[None]:
    """End the session on SIGTERM: to pytest, `SystemExit` is only the failure of one test."""
    before = signal.signal(
        signal.SIGTERM, lambda *_: pytest.exit("ended by SIGTERM", returncode=143)
    )
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session", params=CHOSEN)
def suite(request: pytest.FixtureRequest) -> str:
    """The Debian suite under test; LAB_SUITES chooses which there are."""
    return str(request.param)


@pytest.fixture(scope="session")
def bare_session_lab(suite: str) -> Iterator[Lab]:
    """A booted pair of the suite, without the project."""
    lab = lab_or_skip(suite)
    running.append(lab)
    try:
        with lab:
            yield lab
    finally:
        running.remove(lab)


@pytest.fixture(scope="session")
def session_lab(request: pytest.FixtureRequest, bare_session_lab: Lab) -> Lab:
    """The pair of the suite with the project installed on the host; LAB_PACKAGE=1: the package."""
    package = None
    if os.environ.get("LAB_PACKAGE") == "1":
        package = request.getfixturevalue("package")
    bare_session_lab.restore("booted")
    bare_session_lab.install_project(package)
    return bare_session_lab


@pytest.fixture
def bare_lab(bare_session_lab: Lab) -> Lab:
    """A pair just booted, nothing exported, the project not installed."""
    bare_session_lab.restore("booted")
    return bare_session_lab


@pytest.fixture
def lab(session_lab: Lab) -> Lab:
    """A clean pair: booted, nothing exported, the project installed on the host."""
    session_lab.restore("installed")
    return session_lab


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package, built as `make deb` builds it."""
    directory = tmp_path_factory.mktemp("deb")
    done = subprocess.run(
        [PROJECT / "packaging/build-deb", directory], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(directory.glob("*.deb"))


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as `make collection` builds it."""
    return build_collection(tmp_path_factory.mktemp("collection"))


@pytest.fixture(autouse=True)
def secret_watch(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StandingWatch | None]:
    """No secret that the test gives the array shows on the host, whatever is run there."""
    if "lab" not in request.fixturenames:
        yield None
        return
    watch = StandingWatch(request.getfixturevalue("lab"))
    watch.install(monkeypatch)
    yield watch
    watch.check()


@pytest.fixture
def host(lab: Lab) -> Guest:
    """The host of the clean pair."""
    return lab.host


@pytest.fixture
def array(lab: Lab) -> Array:
    """The array of the clean pair."""
    return lab.array
