"""Debian's packages of what iscsictl is compared with, for the host of a running pair.

They are no part of the image. What it lacks of them is fetched from the suite's mirror once for
each image, and kept beside it; documents, locales and all but two of Ansible's collections stay
behind, since nothing here reads them and an emulated machine would unpack them for minutes.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.lab.guest import Guest
from tests.lab.image import Image, LabUnavailableError, cache_directory, locked, sources_for

PACKAGES = ("ansible", "python3-os-brick")
TOOLS = ("apt-get", "debugfs", "dpkg-deb")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
MODULES = "usr/lib/python3/dist-packages"
LEFT_OUT = re.compile(
    r"\./usr/share/(doc|info|javascript|lintian|locale|man|python-babel-localedata)/"
    rf"|\./{MODULES}/ansible_collections/(?!(ansible/posix|community/general)/)[^/]+/"
    rf"|\./{MODULES}/ansible_test/"
)
#: Put before a command that `play` gave: nothing is asked of the host that nobody uses.
WITHOUT_FACTS = "ANSIBLE_GATHERING=explicit "
#: Makes each of `volumes` (target, path) an ext4 that is mounted and in fstab.
PLAYBOOK = """\
- hosts: localhost
  connection: local
  vars:
    disk: "/dev/disk/by-path/ip-{{ portal }}:3260-iscsi-{{ item.target }}-lun-0"
  tasks:
    - community.general.open_iscsi:
        portal: "{{ portal }}"
        target: "{{ item.target }}"
        discover: true
        login: true
        auto_node_startup: true
        node_auth: "{{ 'CHAP' if user is defined else omit }}"
        node_user: "{{ user | default(omit) }}"
        node_pass: "{{ secret | default(omit) }}"
      loop: "{{ volumes }}"
    - community.general.parted:
        device: "{{ disk }}"
        label: gpt
        number: 1
        state: present
      loop: "{{ volumes }}"
    - community.general.filesystem:
        dev: "{{ disk }}-part1"
        fstype: ext4
      loop: "{{ volumes }}"
    - ansible.posix.mount:
        path: "{{ item.path }}"
        src: "{{ disk }}-part1"
        fstype: ext4
        opts: _netdev,nofail
        state: mounted
      loop: "{{ volumes }}"
"""


def play(volumes: Mapping[str, str], **words: str) -> str:
    """Return the command that has Ansible make these volumes (target to mount point).

    `words` are portal, and user and secret of an account. The playbook is at /root/play.yml.
    """
    each = [{"target": target, "path": path} for target, path in volumes.items()]
    given = json.dumps({"volumes": each, **words})
    return f"ansible-playbook -e {shlex.quote(given)} /root/play.yml"


def install(host: Guest, image: Image) -> None:
    """Unpack Ansible and os-brick on the host, with the playbook. Raises LabUnavailableError."""
    unpack(host, image, PACKAGES)
    host.put("/root/play.yml", PLAYBOOK)


def unpack(host: Guest, image: Image, packages: tuple[str, ...]) -> None:
    """Unpack these packages on the host, with what they depend on. Raises LabUnavailableError."""
    recipe = hashlib.sha256(repr((packages, LEFT_OUT.pattern)).encode()).hexdigest()[:12]
    archive = image.directory / f"peers-{recipe}.tar"
    with locked(cache_directory() / "peers.lock"):
        if not archive.is_file():
            make(image, archive, packages)
    host.put("/root/peers.tar", archive.read_bytes())
    command = "tar -x --keep-directory-symlink -C / -f peers.tar && rm peers.tar"
    host.run(command, check=True, timeout=600, cwd="/root")


def make(image: Image, archive: Path, packages: tuple[str, ...]) -> None:
    """Fetch the packages and put what is in them into one archive."""
    for tool in TOOLS:
        if shutil.which(tool, path=PATH) is None:
            raise LabUnavailableError(f"no {tool} to get packages of the peers with")
    with tempfile.TemporaryDirectory(prefix="peers-", suffix=".tmp", dir=image.directory) as name:
        work = Path(name)
        made = work / "peers.tar"
        with tarfile.open(made, "w") as stream:
            for package in fetch(image, work, packages):
                add(package, stream)
        made.rename(archive)


def fetch(image: Image, work: Path, packages: tuple[str, ...]) -> list[Path]:
    """Have apt, with what is installed in the image for its status, fetch what it lacks."""
    show = ["debugfs", "-R", "cat /var/lib/dpkg/status", str(image.root)]
    environment = os.environ | {"PATH": PATH}
    status = subprocess.run(show, check=True, capture_output=True, env=environment).stdout
    (work / "status").write_bytes(status)
    mirror = sources_for(image.suite) or f"deb http://deb.debian.org/debian {image.suite} main"
    (work / "sources").write_text(f"{mirror}\n")
    for place in ("lists", "archives"):
        (work / place / "partial").mkdir(parents=True)
    settings = {
        "Dir::State": work,
        "Dir::State::status": work / "status",
        "Dir::Cache": work,
        "Dir::Etc::SourceList": work / "sources",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
        "APT::Install-Recommends": "false",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    for command in (["update"], ["install", "--yes", "--download-only", *packages]):
        result = subprocess.run(["apt-get", "-qq", *options, *command], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, check=False)  # fmt: skip
        if result.returncode:
            why = result.stderr.strip().splitlines()[-1:]
            raise LabUnavailableError(f"no packages of the peers for {image.suite}: {why}")
    return sorted((work / "archives").glob("*.deb"))


def add(package: Path, archive: tarfile.TarFile) -> None:
    """Copy the files of a package that are wanted."""
    show = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(show, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as content,
    ):
        for member in content:
            if not (member.isdir() or LEFT_OUT.match(member.name)):
                archive.addfile(member, content.extractfile(member) if member.isreg() else None)
