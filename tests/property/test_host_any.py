"""Any host: its name, services, interfaces and schedule, and the accounts of discovery."""

from collections.abc import Mapping
from pathlib import Path

from hypothesis import event, given
from hypothesis import strategies as st

from iscsictl.errors import IscsictlError
from iscsictl.model import actions
from iscsictl.model.boot import BootEntry
from iscsictl.model.host_facts import Kernel, Nic
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.listing import Session
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import IfaceRecord, NodeRecord
from iscsictl.model.schedule import (
    CRON,
    PRUNE_DROP_IN,
    SERVICE,
    SERVICE_DROP_IN,
    TIMER,
    TIMER_DROP_IN,
    Cron,
    PackagedUnits,
    Scheduled,
)
from iscsictl.model.services import Systemd, Unit
from iscsictl.planner.iscsi import ifaces
from iscsictl.planner.iscsi.boot import BootFacts, plan_firmware_login
from iscsictl.planner.iscsi.ifaces import IfaceFacts
from iscsictl.planner.iscsi.initiator import (
    NameFacts,
    ServiceFacts,
    plan_enable,
    plan_generate,
    plan_name,
    plan_start,
)
from iscsictl.planner.iscsi.records import plan_default_account, plan_discovery_account
from iscsictl.planner.schedule import find_problems, plan_install, plan_remove, schedule_files
from tests.machine_model.discovery import Discovery, apply_to_discovery
from tests.machine_model.host import apply_to_host

NAMES = st.sampled_from(
    [
        "iqn.2001-04.com.example:host1",
        "iqn.2001-04.com.example:host2",
        "iqn.2001-04.com.example:x_y",
    ]
)
TARGET = "iqn.2001-04.com.example:array.mail"
SESSION = Session("sysfs", TARGET, sid=1, iface="default")


@st.composite
def name_facts(draw: st.DrawFn) -> NameFacts:
    name = draw(st.one_of(st.none(), NAMES, st.just("not a name")))
    now = InitiatorName(exists=name is not None, name=name)
    return NameFacts(now, draw(st.sampled_from([(), (SESSION,)])))


@given(name_facts(), NAMES)
def test_a_name_changes_only_while_no_session_is_up_and_twice_is_once(
    facts: NameFacts, name: str
) -> None:
    plan = plan_name(facts, name)
    if plan.refusal is not None:
        event("refused")
        assert facts.sessions
        assert facts.now.name != name
        return
    after = apply_to_host(plan, facts)
    assert after.now.name == name
    assert not plan_name(after, name).pending


@given(name_facts(), NAMES, st.booleans())
def test_a_name_that_arrays_may_know_is_kept_unless_a_new_one_is_asked_for(
    facts: NameFacts, made: str, new: bool
) -> None:
    plan = plan_generate(facts, made, new=new)
    usable = facts.now.name not in {None, "not a name"}
    if plan.refusal is not None:
        assert facts.sessions
        return
    after = apply_to_host(plan, facts)
    assert after.now.name == (facts.now.name if usable and not new else made)
    assert not plan_generate(after, made, new=new).pending or new


MOSTLY = st.sampled_from([True] * 7 + [False])
ISCSID_UNITS = ("iscsid.socket", "iscsid.service")


@st.composite
def service_facts(draw: st.DrawFn) -> ServiceFacts:
    names = [*ISCSID_UNITS, "open-iscsi.service", "cron.service"]
    units = {
        name: Unit(name, defined=draw(MOSTLY), enabled=draw(st.booleans()),
                   masked=not draw(MOSTLY),
                   active=draw(st.sampled_from([None, "active", "failed", "inactive"])))
        for name in names if draw(MOSTLY)
    }  # fmt: skip
    systemd = Systemd(running=draw(MOSTLY), units=units)
    return ServiceFacts(systemd, automatic=draw(st.booleans()), on_hold=draw(st.booleans()))


def usable(facts: ServiceFacts, *names: str) -> bool:
    units = [facts.systemd.units.get(name) for name in names]
    return any(unit is not None and unit.defined and not unit.masked for unit in units)


@given(service_facts())
def test_services_are_enabled_or_the_plan_says_what_is_missing(facts: ServiceFacts) -> None:
    plan = plan_enable(facts)
    fit = facts.systemd.running and usable(facts, *ISCSID_UNITS) and usable(
        facts, "open-iscsi.service"
    )  # fmt: skip
    assert (plan.refusal is None) == fit
    if plan.refusal is not None:
        event("refused")
        return
    after = apply_to_host(plan, facts)
    units = after.systemd.units
    assert units["open-iscsi.service"].enabled
    assert any(units[name].enabled for name in ISCSID_UNITS if name in units)
    assert units.get("cron.service") == facts.systemd.units.get("cron.service")
    assert not plan_enable(after).pending


@given(service_facts())
def test_the_login_service_is_never_started_while_something_is_on_hold(facts: ServiceFacts) -> None:
    plan = plan_start(facts)
    if plan.refusal is not None:
        event("refused")
        return
    started = [
        a.unit for step in plan.pending if isinstance(a := step.action, actions.StartService)
    ]
    assert len(started) == len(plan.pending)
    if facts.on_hold or not facts.automatic:
        assert "open-iscsi.service" not in started
    after = apply_to_host(plan, facts)
    assert any(unit.active == "active" for name, unit in after.systemd.units.items()
               if name in ISCSID_UNITS)  # fmt: skip
    assert not plan_start(after).pending


IFACES = st.sampled_from(["storage-a", "storage-b", "other"])
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "iface.net_ifacename": st.sampled_from(["eth0", "eth1", "eth9", None]),
        "iface.ipaddress": st.sampled_from(["192.0.2.9", None]),
        "iface.hwaddress": st.sampled_from(["52:54:00:00:00:01", "52:54:00:00:00:99"]),
    },
)


@st.composite
def iface_facts(draw: st.DrawFn) -> IfaceFacts:
    ifaces = tuple(
        IfaceRecord(path=Path("/etc/iscsi/ifaces", name), name=name,
                    values={"iface.iscsi_ifacename": name, "iface.transport_name": "tcp",
                            "iface.net_ifacename": draw(st.sampled_from(["eth0", "eth1"]))})
        for name in draw(st.lists(IFACES, unique=True))
    )  # fmt: skip
    portal = Portal("192.0.2.5", 3260, 1)
    record = NodeRecord(path=Path("/x"), target=TARGET, portal=portal, iface="storage-a")
    session = SESSION._replace(iface="storage-b")
    nics = {"eth0": Nic("eth0", mac="52:54:00:00:00:01"), "eth1": Nic("eth1")}
    return IfaceFacts(
        ifaces,
        records=draw(st.sampled_from([(), (record,)])),
        sessions=draw(st.sampled_from([(), (session,)])),
        nics=nics,
        kernel=Kernel(modules={"iscsi_tcp": "loadable"}),
    )


@given(iface_facts(), IFACES, VALUES, st.booleans())
def test_a_definition_gets_its_values_and_no_other_is_touched(
    facts: IfaceFacts, name: str, values: Mapping[str, str | None], new: bool
) -> None:
    plan = ifaces.plan_write(facts, name, values, new=new)
    if plan.refusal is not None:
        event("refused")
        assert not plan.pending
        return
    after = apply_to_host(plan, facts)
    now = {one.name: one.values for one in after.ifaces}
    assert {key: now[name].get(key) for key in values} == values
    others = {one.name: one.values for one in facts.ifaces if one.name != name}
    assert {other: kept for other, kept in now.items() if other != name} == others
    assert now[name]["iface.transport_name"] == "tcp"
    assert not ifaces.plan_write(after, name, values, new=new).pending


@given(iface_facts(), IFACES)
def test_a_definition_in_use_is_never_removed(facts: IfaceFacts, name: str) -> None:
    plan = ifaces.plan_remove(facts, name)
    used = {record.iface for record in facts.records} | {s.iface for s in facts.sessions}
    assert (plan.refusal is not None) == (name in used)
    if plan.refusal is not None:
        return
    after = apply_to_host(plan, facts)
    assert {one.name for one in after.ifaces} == {one.name for one in facts.ifaces} - {name}
    assert not ifaces.plan_remove(after, name).pending


TARGETS = st.sampled_from([None, TARGET, "iqn.2001-04.com.example:array.boot"])


@given(st.lists(TARGETS), st.sampled_from([(), (SESSION,)]))
def test_the_firmwares_targets_are_logged_in_and_no_session_is_made_twice(
    targets: list[str | None], sessions: tuple[Session, ...]
) -> None:
    entries = tuple(BootEntry(target, Portal("192.0.2.5", 3260, 1)) for target in targets)
    facts = BootFacts(entries, sessions)
    plan = plan_firmware_login(facts)
    wanted = {target for target in targets if target is not None}
    assert (plan.refusal is None) == bool(wanted)
    if plan.refusal is not None:
        return
    after = apply_to_host(plan, facts)
    assert {one.target for one in after.sessions} == wanted | {one.target for one in sessions}
    assert after.sessions[: len(sessions)] == sessions
    assert not plan_firmware_login(after).pending


FILES = (SERVICE, TIMER, TIMER_DROP_IN, SERVICE_DROP_IN, PRUNE_DROP_IN, CRON)
TEMPLATES = {
    "cron": "@TIMES@ root @PRUNE@@EXECUTABLE@ reconnect@OPTIONS@\n",
    "iscsictl-reconnect.service": "ExecStart=@EXECUTABLE@ reconnect@OPTIONS@\n",
    "iscsictl-reconnect.timer": "OnUnitActiveSec=@SECONDS@\n",
    "iscsictl-reconnect.timer.conf": "OnUnitActiveSec=@SECONDS@\n",
    "iscsictl-reconnect.service.conf": "ExecStart=@EXECUTABLE@ reconnect@OPTIONS@\n",
    "iscsictl-prune.conf": "ExecStartPre=-@EXECUTABLE@ @PRUNE@\n",
}


@st.composite
def scheduled(draw: st.DrawFn) -> Scheduled:
    files = dict.fromkeys(draw(st.lists(st.sampled_from(FILES), unique=True)), "old\n")
    packaged = draw(
        st.sampled_from([None, PackagedUnits(("/usr/lib/x.timer",), "/usr/bin/iscsictl")])
    )
    own = {SERVICE, TIMER} <= files.keys()
    enabled = draw(st.booleans()) and (own or packaged is not None)
    systemd = draw(st.sampled_from([True, True, False]))
    active = draw(st.booleans()) and enabled if systemd else None
    cron = draw(st.sampled_from([None, Cron("cron", runs=True), Cron("cron", runs=False)]))
    return Scheduled(files, packaged, enabled, active, systemd, cron)


@given(scheduled(), st.sampled_from(["systemd", "cron"]), st.sampled_from([120, 3600]),
       st.booleans(), st.sampled_from([None, "/var/lib/node/iscsi.prom"]))  # fmt: skip
def test_after_an_install_one_method_runs_it_and_nothing_of_another_is_left(
    there: Scheduled, method: str, seconds: int, prune: bool, metrics: str | None
) -> None:
    wanted = schedule_files(TEMPLATES, "cron" if method == "cron" else "systemd", seconds,
                   "/usr/bin/iscsictl", packaged=there.packaged is not None, prune=prune,
                   metrics=metrics)  # fmt: skip
    try:
        plan = plan_install(there, wanted)
    except IscsictlError:
        event("refused")
        assert there.cron is None if method == "cron" else not there.systemd
        return
    after = apply_to_host(plan, there)
    assert after.files == wanted
    assert after.method == (method,)
    assert after.prunes == prune
    assert after.timer_enabled == (method == "systemd")
    found = find_problems(after)
    assert not found or (method == "cron" and after.cron is not None and not after.cron.runs)
    assert not plan_install(after, wanted).pending


@given(scheduled())
def test_after_a_removal_nothing_runs_it_and_no_file_of_ours_is_left(there: Scheduled) -> None:
    after = apply_to_host(plan_remove(there), there)
    assert after.files == {}
    assert after.method == ()
    assert not after.timer_enabled
    assert not plan_remove(after).pending


ACCOUNTS = st.fixed_dictionaries(
    {"discovery.sendtargets.auth.authmethod": st.sampled_from(["CHAP", "None"])},
    optional={"discovery.sendtargets.auth.username": st.sampled_from(["host1", None])},
)
PORTALS = tuple(Portal(address, 3260) for address in ("192.0.2.5", "192.0.2.6"))


def differing(values: Mapping[str, str], changes: Mapping[str, str | None]) -> tuple[str, ...]:
    return tuple(key for key, value in changes.items() if values.get(key) != value)


@given(st.dictionaries(st.sampled_from(PORTALS), ACCOUNTS), ACCOUNTS)
def test_the_account_of_one_portal_is_set_and_clearing_makes_no_record(
    records: Mapping[Portal, Mapping[str, str | None]], changes: Mapping[str, str | None]
) -> None:
    there = {p: {k: v for k, v in values.items() if v is not None} for p, values in records.items()}
    now = Discovery(there)
    portal = PORTALS[0]

    def plan(state: Discovery) -> Plan:
        values = state.records.get(portal)
        return plan_discovery_account(
            portal,
            there=values is not None,
            wrong=differing(values or {}, changes),
            changes=changes,
        )

    first = plan(now)
    after = apply_to_discovery(first, now)
    if portal in there or changes["discovery.sendtargets.auth.authmethod"] == "CHAP":
        assert differing(after.records[portal], changes) == ()
    else:
        clearing = all(value in {None, "None"} for value in changes.values())
        assert (portal not in after.records) == clearing
    assert after.records.get(PORTALS[1]) == there.get(PORTALS[1])
    assert not plan(after).pending


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"])),
       st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2", None])))  # fmt: skip
def test_defaults_get_the_wanted_values_and_keep_the_others(
    defaults: Mapping[str, str], changes: Mapping[str, str | None]
) -> None:
    now = Discovery(defaults=defaults)
    plan = plan_default_account(wrong=differing(defaults, changes), changes=changes)
    after = apply_to_discovery(plan, now)
    assert differing(after.defaults, changes) == ()
    kept = {key: value for key, value in defaults.items() if key not in changes}
    assert {key: after.defaults[key] for key in kept} == kept
