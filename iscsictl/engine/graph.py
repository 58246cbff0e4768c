"""The steps of several volumes as one graph, and its execution: each once, after what it needs."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import Protocol, cast

from iscsictl.engine.executor import CompletedStep, StepFailedError, execute_steps
from iscsictl.engine.handlers.effect import StepResult
from iscsictl.engine.handlers.logins import log_in
from iscsictl.engine.handlers.sessions import await_disks
from iscsictl.engine.volumes_context import VolumesContext
from iscsictl.errors import InterruptError, IscsictlError
from iscsictl.model import actions
from iscsictl.model.plan import Action, Outcome, Status, Step
from iscsictl.system.io import journal, signals

#: What volumes of one target, or all of a host, have in common, in the order in which one volume
#: needs them. Such a step is executed once.
_SHARED = (
    actions.CreateRecord, actions.WriteRecord, actions.EnableService, actions.Login,
    actions.StartService,
)  # fmt: skip

NodeId = tuple[str, str]


@dataclass(frozen=True)
class Node:
    """A step and the names of the volumes that need it, in the order of their file."""

    step: Step
    volumes: tuple[str, ...]


@dataclass(frozen=True)
class StepGraph:
    """Steps by id, and the ids of the steps that each one needs."""

    nodes: Mapping[NodeId, Node]
    needs: Mapping[NodeId, AbstractSet[NodeId]]


@dataclass(frozen=True)
class Ended:
    """The end of a node: the outcome of its step, what can be rolled back, and its error."""

    outcome: Outcome
    done: Sequence[CompletedStep] = ()
    error: IscsictlError | None = None


class GraphListener(Protocol):
    """Is told about each node when it begins and when it has ended."""

    def is_wanted(self, volume: str) -> bool:
        """Tell whether the steps of a volume are to be executed, that is, none of them has failed.

        This is asked right before each step, since another one may have failed in the meantime.
        """

    def begin(self, volume: str, step: Step) -> None:
        """Note that a step begins, for this volume.

        For a shared step it is the first volume that still needs it.
        """

    def end(self, node: Node, ended: Ended) -> None:
        """Note how a node ended.

        It is called for all volumes of the node at once, always from the thread that executes the
        graph.
        """


def is_shared(action: Action) -> bool:
    """Tell whether several volumes may have this step in common.

    Such a step has the same id in all of their plans, and is executed once.
    """
    return isinstance(action, _SHARED)


def build_graph(steps: Mapping[str, Sequence[Step]]) -> StepGraph:
    """Return the graph of the steps of some volumes, each a sequence in a valid order.

    A step needs the last one that the volume had for itself, and the shared ones before it. A
    shared step needs only those shared ones before it that are of earlier kinds, because volumes
    may name the portals of a target in different orders.
    """
    nodes: dict[NodeId, Node] = {}
    needs: dict[NodeId, set[NodeId]] = {}
    for volume, chain in steps.items():
        shared: list[tuple[NodeId, int]] = []
        last_own: set[NodeId] = set()
        for step in chain:
            key = ("" if is_shared(step.action) else volume, step.id)
            known = nodes.get(key, Node(step, ()))
            nodes[key] = Node(_merge_same_steps(known.step, step), (*known.volumes, volume))
            rank = _rank_among_shared(step.action)
            # Edges lead from a kind to a later one only, so no order of portals can close a circle.
            needs.setdefault(key, set()).update(last_own, (k for k, r in shared if r < rank))
            if is_shared(step.action):
                shared.append((key, rank))
            else:
                last_own = {key}
    return StepGraph(nodes, needs)


def _rank_among_shared(action: Action) -> int:
    ranks = (rank for rank, kind in enumerate(_SHARED) if isinstance(action, kind))
    return next(ranks, len(_SHARED))


def _merge_same_steps(one: Step, other: Step) -> Step:
    """Return a step that does what two with the same id do: record settings may differ."""
    mine, theirs = one.action, other.action
    if isinstance(mine, actions.WriteRecord) and isinstance(theirs, actions.WriteRecord):
        return replace(one, action=replace(mine, changes={**mine.changes, **theirs.changes}))
    return one


@dataclass
class GraphExecution:
    """Executes a graph: a thread for each step that is ready, all logins in one batch.

    `threads` is the number of steps that may wait at a time, for a program such as mkfs or for
    udev.
    """

    graph: StepGraph
    context: VolumesContext
    listener: GraphListener
    threads: int
    _ready: list[NodeId] = field(default_factory=list, init=False)
    _running: dict[Future[Ended], NodeId] = field(default_factory=dict, init=False)
    _logins: list[NodeId] = field(default_factory=list, init=False)
    _interrupt: InterruptError | None = field(default=None, init=False)

    def execute(self) -> None:
        """Execute every step, except those that only failed volumes need.

        Raises InterruptError after a signal, once the steps in progress have ended.
        """
        sorter: TopologicalSorter[NodeId] = TopologicalSorter(
            {key: sorted(needed) for key, needed in self.graph.needs.items()}
        )
        sorter.prepare()
        with ThreadPoolExecutor(self.threads) as pool:
            try:
                while sorter.is_active():
                    signals.check()
                    if self._interrupt is not None:
                        raise self._interrupt
                    self._ready.extend(sorter.get_ready())
                    # Logins wait until nothing else can lead to another one.
                    ended = self._begin_ready(pool) or (
                        self._collect_ended_steps()
                        if self._running
                        else self._execute_ready_logins()
                    )
                    sorter.done(*ended)
            finally:
                # A program that was started has to end before its lock and its disk are let go.
                while self._running:
                    self._collect_ended_steps()

    def _begin_ready(self, pool: ThreadPoolExecutor) -> list[NodeId]:
        """Begin what is ready, as far as threads are free; return what nobody needs any more."""
        ready, self._ready = self._ready, []
        unwanted = []
        for key in ready:
            node = self.graph.nodes[key]
            if not any(map(self.listener.is_wanted, node.volumes)):
                unwanted.append(key)
            elif isinstance(node.step.action, actions.Login):
                self._logins.append(key)
            elif len(self._running) >= self.threads:
                self._ready.append(key)
            else:
                self.listener.begin(self._first_waiting_volume(node), node.step)
                self._running[pool.submit(_execute_step, node.step, self.context)] = key
        self.context.at_work = len(self._running)
        return unwanted

    def _first_waiting_volume(self, node: Node) -> str:
        """Return the first volume that still needs a step; the step is executed for that one."""
        return next(filter(self.listener.is_wanted, node.volumes))

    def _collect_ended_steps(self) -> list[NodeId]:
        """Wait for a step to end; return all that have ended."""
        futures, _ = wait(self._running, return_when=FIRST_COMPLETED)
        # In the order in which they began, so that two runs of the same report the same.
        ended = {one: key for one, key in self._running.items() if one in futures}
        for future, key in ended.items():
            del self._running[future]
            result = future.result()
            if isinstance(result.error, InterruptError):
                self._interrupt = result.error
            else:
                self.listener.end(self.graph.nodes[key], result)
        self.context.at_work = len(self._running)
        return list(ended.values())

    def _execute_ready_logins(self) -> list[NodeId]:
        """Execute the logins that are ready, all at once; return them."""
        keys, self._logins = self._logins, []
        nodes = {self.graph.nodes[key].step.id: self.graph.nodes[key] for key in keys}

        def begin(step: Step) -> None:
            self.listener.begin(self._first_waiting_volume(nodes[step.id]), step)

        there: list[actions.Login] = []
        for outcome in log_in([node.step for node in nodes.values()], self.context, begin):
            step, done = outcome.step, []
            if step.status is Status.DONE:
                done.append(CompletedStep(step, StepResult()))
            if step.status is not Status.UNCHANGED:
                journal.note(step, step.status, outcome.error.text if outcome.error else None)
            self.listener.end(nodes[step.id], Ended(outcome, done, outcome.error))
            if outcome.error is None:
                there.append(cast("actions.Login", step.action))
        await_disks(there, self.context)
        return keys


def _execute_step(step: Step, context: VolumesContext) -> Ended:
    done: list[CompletedStep] = []
    try:
        *_, outcome = execute_steps([step], context, done)
    except StepFailedError as failure:
        return Ended(failure.outcome, done, failure.cause)
    except InterruptError as interrupt:
        return Ended(Outcome(step), done, interrupt)
    return Ended(outcome, done)
