"""The real iscsiadm on a made root directory, without a guest.

It reads and writes nothing but files here: in a mount namespace of its own, the directories of a
made root stand in the places of /etc, /run and /var/lib. tests/install-deps provides the program.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

UNPACKED = Path(__file__).parents[1] / "build/open-iscsi"
_MOUNTS = """\
for place in run var/lib etc; do
    mount --bind "{root}/$place" "/$place" || exit 99
done
echo ready
"""


@dataclass
class RealIscsiadm:
    """A made root directory and the iscsiadm that takes it for the machine's.

    One shell in the namespace runs all commands: a namespace for each would cost more than they.
    """

    root: Path
    program: Path
    libraries: Path | None
    _shell: subprocess.Popen[str] | None = field(default=None, init=False)

    def start(self) -> None:
        """Enter the namespace."""
        own = [] if os.geteuid() == 0 else ["--map-root-user"]
        self._shell = subprocess.Popen(
            ["unshare", "--mount", *own, "sh"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._tell(_MOUNTS.format(root=self.root)) == "ready"

    def stop(self) -> None:
        """Leave it."""
        if self._shell is not None:
            self._shell.communicate(timeout=PATIENCE)

    def run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run `iscsiadm ...` on the made root."""
        out, err = self.root / "out", self.root / "err"
        command = shlex.join([str(self.program), *words[1:]])
        if self.libraries is not None:
            command = f"LD_LIBRARY_PATH={shlex.quote(str(self.libraries))} {command}"
        code = self._tell(f"{command} >{out} 2>{err} </dev/null; echo $?\n")
        return subprocess.CompletedProcess(words, int(code), out.read_text(), err.read_text())

    def _tell(self, text: str) -> str:
        assert self._shell is not None
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(text)
        self._shell.stdin.flush()
        answer = self._shell.stdout.readline().strip()
        assert answer, f"the shell ended with {self._shell.wait(PATIENCE)}"
        return answer


def find_iscsiadm() -> tuple[Path, Path | None]:
    """Return the program and, if it was only unpacked, its libraries. Skips where it is missing."""
    for place in ("sbin/iscsiadm", "usr/sbin/iscsiadm"):
        if (UNPACKED / place).exists():
            library = next(UNPACKED.glob("usr/lib/*/libopeniscsiusr.so.0"))
            return UNPACKED / place, library.parent
    installed = shutil.which("iscsiadm", path="/usr/sbin:/sbin:/usr/bin")
    if installed is None:
        pytest.skip("open-iscsi is missing: tests/install-deps")
    return Path(installed), None


@pytest.fixture
def real_iscsiadm(tmp_path: Path) -> Iterator[RealIscsiadm]:
    """A root directory on which iscsiadm and iscsictl see the same, empty node database."""
    program, libraries = find_iscsiadm()
    root = tmp_path / "root"
    for place in ("etc/iscsi", "run/lock", "var/lib/iscsi", "usr/sbin"):
        (root / place).mkdir(parents=True)
    (root / "etc/iscsi/iscsid.conf").write_text("node.startup = manual\n")
    # iscsictl reads the place of the database and the version from the program.
    (root / "usr/sbin/iscsiadm").symlink_to(program.resolve())
    machine = RealIscsiadm(root, program, libraries)
    machine.start()
    try:
        yield machine
    finally:
        machine.stop()
