"""`take-over`: end the reservation of a host that is gone."""

import re

import click

from iscsictl.cli.help import command
from iscsictl.cli.options import Number, Settings, changing, common, require_root
from iscsictl.cli.runner import ask, run_task
from iscsictl.engine.task import Task
from iscsictl.engine.tasks.disks import task
from iscsictl.model import values
from iscsictl.observers.disks import DiskQuery
from iscsictl.planner.disks.take_over import plan_take_over


def reservation_key(text: str) -> int:
    """Parse a reservation key: 1 to 16 hexadecimal digits, with or without 0x, and not zero.

    Raises click.BadParameter.
    """
    match = re.fullmatch(r"(?:0[xX])?([0-9A-Fa-f]{1,16})", text)
    if match is None or not int(match[1], 16):
        raise click.BadParameter(f"{text!r} is not a key such as 0x4b1f6c0de2a94d17")
    return int(match[1], 16)


@command("take-over", short_help="End the reservation of a host that is gone.")
@click.argument("name", metavar="TARGET")
@click.option("--lun", type=Number(0, values.MAX_LUN), help="The LUN of the target.")
@click.option(
    "--confirm", "key", type=reservation_key, required=True, metavar="KEY",
    help="The reservation key of the host that is gone.",
)  # fmt: skip
@changing
@common
def take_over(settings: Settings, name: str, lun: int | None, key: int) -> int:
    """End the reservation and all registrations of a host that is gone for good.

    A host that dies while it formats a LUN keeps its reservation, and the LUN is refused to every
    other host. This preempts its key, and the LUN is free. If that host is running after all, two
    hosts can write to the LUN from then on.
    """
    require_root("take-over")
    query = DiskQuery(name, lun, whole_disk=True, reservations=True)

    def take_over_task(*, agreed: bool) -> Task:
        return task(
            query,
            lambda state: plan_take_over(state, key, agreed=agreed),
            lambda _: take_over_task(agreed=True),
            lambda question: ask(settings, question),
        )

    return run_task(settings, take_over_task(agreed=settings.dry_run))
