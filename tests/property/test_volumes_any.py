"""Whatever fails among many volumes: the others are there, and of what failed nothing is left."""

import os
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from iscsictl.engine import executor, graph
from iscsictl.engine.volumes import reconcile_volumes
from iscsictl.engine.volumes_context import VolumesContext
from iscsictl.errors import AuthError
from iscsictl.system.io import journal, signals
from tests.unit.volumes_host import Host, Key

EXAMPLES = settings(max_examples=2_000 if os.environ.get("TORTURE") else 150, deadline=None)
UNIT = "open-iscsi.service"


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[tuple[str, str, frozenset[str], bool, bool]], Host]:
    """Some volumes as (name, target, after, refused, slow), and a host where something fails."""
    volumes: list[tuple[str, str, frozenset[str], bool, bool]] = []
    for number in range(draw(st.integers(1, 6))):
        earlier = [name for name, *_ in volumes]
        after = (
            draw(st.frozensets(st.sampled_from(earlier), max_size=2)) if earlier else frozenset()
        )
        target = draw(st.sampled_from(["t0", "t1", "t2"]))
        refused, slow = draw(st.booleans()) and draw(st.booleans()), draw(st.booleans())
        volumes.append((f"v{number}", target, after, refused, slow))
    host = Host()
    host.there = {("record", target) for target in draw(st.sets(st.sampled_from(["t0", "t1"])))}
    host.there |= {("session", t) for _, t in set(host.there) if draw(st.booleans())}
    host.there |= {("service", UNIT)} if draw(st.booleans()) else set()
    can_fail = [("record", "t0"), ("login", "t0"), ("login", "t1"), ("directory", "v0"),
                ("directory", "v3"), ("enable", UNIT)]  # fmt: skip
    failing = draw(st.sets(st.sampled_from(can_fail), max_size=2))
    host.fails = {key: AuthError(f"{key} fails") for key in failing}
    return draw(st.permutations(volumes)), host


def needed_by(name: str, target: str) -> dict[Key, Key]:
    """What a volume needs on the host, with the step that makes it."""
    return {
        ("record", target): ("record", target),
        ("service", UNIT): ("enable", UNIT),
        ("session", target): ("login", target),
        ("directory", name): ("directory", name),
    }


@given(runs(), st.integers(1, 3))
@EXAMPLES
def test_what_is_there_in_the_end_is_what_the_volumes_that_succeeded_need(
    case: tuple[list[tuple[str, str, frozenset[str], bool, bool]], Host], at_once: int
) -> None:
    volumes, host = case
    before = frozenset(host.there)
    failed: set[str] = set()
    for name, target, after, refused, _ in sorted(volumes):
        steps = [step for key, step in needed_by(name, target).items() if key not in before]
        if refused or after & failed or any(step in host.fails for step in steps):
            failed.add(name)
    tasks = [
        host.volume(name, target, *after, refuse=refused, slow=slow)
        for name, target, after, refused, slow in volumes
    ]
    with (
        tempfile.TemporaryDirectory() as root,
        mock.patch.object(signals, "_asked", []),
        mock.patch.object(journal, "note"),
        mock.patch.object(executor, "execute_action", host.execute),
        mock.patch.object(graph, "log_in", host.log_in),
        mock.patch.object(graph, "await_disks"),
    ):
        context = VolumesContext(5, Path(root))
        reports = reconcile_volumes(tasks, context, lambda *_: None, at_once, host.observe)
    assert {name for name, report in reports.items() if report.error is not None} == failed
    wanted = set(before)
    for name, target, *_ in volumes:
        if name not in failed:
            wanted |= set(needed_by(name, target))
    assert host.there == wanted
    done = [step for step in host.log if step not in host.fails and step[0] != "enable"]
    assert len(done) == len(set(done))
