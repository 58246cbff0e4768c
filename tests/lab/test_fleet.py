"""The collection on four hosts at once, by ssh, from two releases of ansible-core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.fleet import FSTYPES, Fleet, OnArray, Workstation
from tests.lab.install import install_package
from tests.lab.onhost import mounted
from tests.lab.rundir import NETS
from tests.lab.ssh import stop_sshd

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.fleet import Controller
    from tests.lab.pair import Lab

pytestmark = pytest.mark.torture
HOSTS = 4
NAMES = tuple(FSTYPES)


@pytest.fixture(scope="module")
def fleet_lab(bare_session_lab: Lab, package: Path) -> Lab:
    """The pair of the suite with the Debian package on the host, saved as `packaged`."""
    lab = bare_session_lab
    lab.restore("booted")
    install_package(lab.host, package)
    lab.snapshot("packaged")
    return lab


@pytest.mark.parametrize("kind", [Workstation, OnArray])
def test_a_check_says_what_a_run_does_on_four_hosts_and_a_second_run_changes_nothing(
    fleet_lab: Lab, collection: Path, tmp_path: Path, kind: type[Controller]
) -> None:
    lab = fleet_lab
    lab.restore_with_hosts("packaged", HOSTS)
    fleet = Fleet(lab, tmp_path)
    fleet.export(NAMES)
    controller = kind(fleet, collection)
    check = controller.play(NAMES, "--check", "--diff")
    assert check.code == 0, check.output
    assert [mounted(guest) for guest in lab.hosts] == [set()] * HOSTS
    assert not any(guest.exists("/etc/iscsictl") for guest in lab.hosts)

    run = controller.play(NAMES, "--diff")
    assert run.code == 0, run.output
    for guest in lab.hosts:
        assert mounted(guest) == set(NAMES)
        assert check.steps(guest.role)
        assert check.steps(guest.role) == run.steps(guest.role)
        assert check.recap[guest.role].changed == run.recap[guest.role].changed > 0

    again = controller.play(NAMES, "--diff")
    assert again.code == 0, again.output
    assert {row.changed for row in again.recap.values()} == {0}
    assert {row.ok for row in again.recap.values()} == {run.recap["host"].ok}


def test_a_host_without_network_fails_alone(
    fleet_lab: Lab, collection: Path, tmp_path: Path
) -> None:
    lab = fleet_lab
    lab.restore_with_hosts("packaged", HOSTS)
    fleet = Fleet(lab, tmp_path)
    fleet.export(NAMES[:1])
    controller = Workstation(fleet, collection)
    *others, away, down = lab.hosts
    for net in NETS:
        lab.cut(net, at=away.role)
    stop_sshd(down)
    run = controller.play(NAMES[:1])
    assert run.code != 0
    for guest in others:
        assert mounted(guest) == set(NAMES[:1])
        assert run.recap[guest.role].failed == run.recap[guest.role].unreachable == 0
    assert (run.recap[away.role].failed, run.recap[away.role].unreachable) == (1, 0)
    assert "hint: " in run.output
    assert (run.recap[down.role].failed, run.recap[down.role].unreachable) == (0, 1)

    lab.restore_cables()
    fleet.start_sshd(down)
    again = controller.play(NAMES[:1])
    assert again.code == 0, again.output
    for guest in lab.hosts:
        assert mounted(guest) == set(NAMES[:1])
        assert (again.recap[guest.role].changed > 0) == (guest in (away, down))
