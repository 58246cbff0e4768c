"""The Ansible collection: it builds, ansible-test finds nothing, modules fail in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from iscsictl import __version__

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
ARCHIVE = f"iscsictl-iscsictl-{__version__}.tar.gz"


def run(*words: str | Path, **environment: str) -> str:
    """Run a program of the ansible-core beside this Python."""
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=ENVIRONMENT | environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_builds_installs_and_documents_its_modules(tmp_path: Path) -> None:
    run(ROOT / "packaging/build-collection", tmp_path)
    run("ansible-galaxy", "collection", "install", "-p", tmp_path, tmp_path / ARCHIVE)
    modules = [f"iscsictl.iscsictl.{name}" for name in ("volumes", "info", "initiator")]
    text = run("ansible-doc", "--json", *modules, ANSIBLE_COLLECTIONS_PATH=str(tmp_path))
    assert json.loads(text).keys() == set(modules)


@pytest.mark.torture
def test_ansible_test_sanity_finds_nothing(tmp_path: Path) -> None:
    run(ROOT / "packaging/build-collection", "--sanity", tmp_path)
    assert (tmp_path / ARCHIVE).is_file()


VOLUME = {"name": "mail", "target": "iqn.2001-04.com.example:mail"}
ERROR = {"text": "it needs root", "hint": "sudo iscsictl", "exit": 13, "tool_exit": None}


def call_module(
    directory: Path, name: str, arguments: object, printed: str, code: int
) -> dict[str, object]:
    """Run a module on this host with a stand-in for iscsictl; return its result."""
    collections = directory / "ansible_collections/iscsictl"
    collections.mkdir(parents=True)
    (collections / "iscsictl").symlink_to(ROOT / "ansible")
    program = directory / "iscsictl"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{printed}\nEND\nexit {code}\n")
    program.chmod(0o755)
    done = subprocess.run(
        [
            "ansible", "localhost", "-c", "local", "-m", f"iscsictl.iscsictl.{name}",
            "-a", json.dumps(arguments) if arguments else "",
            "-e", f"ansible_python_interpreter={sys.executable}",
        ],
        capture_output=True, text=True, check=False,
        env=ENVIRONMENT | {
            "PATH": f"{directory}:{ENVIRONMENT['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(directory), "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        },
    )  # fmt: skip
    result: dict[str, object] = json.loads(done.stdout[done.stdout.index("{\n") :])
    return result


@pytest.mark.parametrize(
    ("module", "arguments", "printed", "code"),
    [
        ("info", {}, "[]", 0),
        ("initiator", {}, "null", 0),
        # Exit code and syntax are right, and yet nothing is known of the volumes.
        ("volumes", {"volumes": [VOLUME]}, '{"schema": "iscsictl.plan/2"}', 0),
        ("volumes", {"volumes": [VOLUME], "state": "absent"}, "{}", 3),
        ("volumes", {"volumes": [VOLUME]}, '{"schema": "iscsictl.error/1", "error": {}}', 0),
    ],
)
def test_what_is_no_document_of_its_version_fails_a_module_by_name(
    tmp_path: Path, module: str, arguments: object, printed: str, code: int
) -> None:
    result = call_module(tmp_path, module, arguments, printed, code)
    assert (result["changed"], result["exit_code"]) == (False, code)
    assert "are to be of one version" in str(result["msg"])


def test_an_error_of_iscsictl_is_that_of_the_module(tmp_path: Path) -> None:
    printed = json.dumps({"schema": "iscsictl.error/1", "error": ERROR})
    result = call_module(tmp_path, "volumes", {"volumes": [VOLUME]}, printed, 13)
    assert result["msg"] == "it needs root\nhint: sudo iscsictl"
    assert result["exit_code"] == 13


def test_a_mode_without_quotes_is_refused_with_the_volume(tmp_path: Path) -> None:
    arguments = {"volumes": [VOLUME | {"mode": 488}]}
    message = str(call_module(tmp_path, "volumes", arguments, "", 0)["msg"])
    assert message.startswith("mail: mode: write it in quotes")


def test_a_volume_that_is_gone_is_absent_already(tmp_path: Path) -> None:
    gone = {**ERROR, "text": "nothing on this host is named that", "exit": 3}
    printed = json.dumps({"schema": "iscsictl.plan/1", "steps": [], "refusals": [gone]})
    arguments = {"volumes": [VOLUME], "state": "absent"}
    result = call_module(tmp_path, "volumes", arguments, printed, 3)
    assert result["changed"] is False
    assert [row["status"] for row in result["volumes"]] == ["unchanged"]  # type: ignore[attr-defined]
