"""The document that `import -n -o json` prints."""

from typing import Final

from iscsictl.legacy.model import Discovery, Settings
from iscsictl.legacy.planner import ImportPlan, Values, record_values, subnet_values
from iscsictl.model.secret import Secret

# Seconds: the old driver's default of LoginTimeout.
LOGIN_TIMEOUT: Final = 15


def as_json(plan: ImportPlan) -> dict[str, object]:
    """Return the document of `import -n -o json`; secrets are replaced by `"secret": true`.

    Each setting appears twice: as in the old file (times in seconds, lengths in bytes), and under
    `keys` as in open-iscsi's records.
    """
    keys = {planned.source.line: {**planned.record, **planned.node} for planned in plan.discovery}
    return {
        "schema": "iscsictl.import/1",
        "kind": plan.kind,
        "discovery": [_discovery_row(e, keys.get(e.line, {})) for e in plan.config.discovery],
        "targets": [
            {"line": e.line, "name": e.name, "login_timeout": LOGIN_TIMEOUT,
             **_setting_values(e.settings), "keys": record_values(e.settings)}
            for e in plan.config.targets
        ],
        "subnets": [
            {"line": e.line, "network": e.network, **_setting_values(e.settings),
             "keys": subnet_values(e.settings)}
            for e in plan.config.subnets
        ],
        "everywhere": {
            **_setting_values(plan.config.defaults), "keys": record_values(plan.config.defaults)
        },
        "initiator": plan.initiator,
        "mounts": [
            {"line": m.source.line, "spec": m.source.spec, "target": m.target, "lun": m.lun,
             "part": m.part, "mount": m.source.directory, "fstype": m.source.fstype,
             "options": list(m.source.options)}
            for m in plan.mounts
        ],
        "warnings": [
            {"line": w.line, "text": w.text, "level": w.level, "source": w.source}
            for w in plan.warnings
        ],
    }  # fmt: skip


def _discovery_row(entry: Discovery, keys: Values) -> dict[str, object]:
    return {
        "line": entry.line,
        "address": entry.address,
        "port": entry.port,
        "username": entry.account.username,
        "secret": entry.account.password is not None,
        "username_in": entry.incoming.username,
        "secret_in": entry.incoming.password is not None,
        "login_timeout": LOGIN_TIMEOUT,
        # The old driver's default.
        "continuous": True,
        **_setting_values(entry.settings),
        "keys": {key: value for key, value in keys.items() if not isinstance(value, Secret)},
    }


def _setting_values(settings: Settings) -> dict[str, object]:
    return {
        # In the old driver, 0 meant to wait forever; in open-iscsi, I/O then fails at once.
        name: -1 if name == "replacement_timeout" and setting.value == 0 else setting.value
        for name, setting in settings.items()
    }
