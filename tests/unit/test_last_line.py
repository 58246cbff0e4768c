"""The one line of an error is what a program says of it, not the end of its usage text."""

import pytest

from iscsictl.system.io.process import Result

# As mkfs.xfs 6.1.0 prints it, most of the usage left out.
TOO_SMALL = """\
Filesystem must be larger than 300MB.
Usage: mkfs.xfs
/* blocksize */\t\t[-b size=num]
<devicename> is required unless -d name=xxx is given.
<value> is xxx (512 byte blocks).
"""


@pytest.mark.parametrize(
    ("out", "err", "line"),
    [
        ("", TOO_SMALL, "Filesystem must be larger than 300MB."),
        ("", "tool: bad\n\nusage: tool [-h]\n", "tool: bad"),
        ("", "Usage: tool [-h]\n  -h  help\n", "-h  help"),
        ("mke2fs 1.47\n", "a\nb\n\n", "b"),
        ("only here\n", "\n", "only here"),
        ("", "", "exit code 1"),
    ],
)
def test_it_is_the_last_one_before_a_usage_text(out: str, err: str, line: str) -> None:
    assert Result(("tool",), 1, out, err).last_line == line
