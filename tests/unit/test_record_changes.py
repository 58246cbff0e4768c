"""Which values of a record a command still has to write."""

from pathlib import Path

import pytest

from iscsictl.model.inventory import Inventory
from iscsictl.model.record import NodeRecord
from iscsictl.model.secret import Secret
from iscsictl.model.spec import Account
from iscsictl.observers.attach import observe_unsettled
from tests.worlds import TARGET, A, spec

SECRET = "0123456789abcdef"
TEXT = f"""# BEGIN RECORD 2.1.8
node.name = {TARGET}
node.startup = automatic
node.session.timeo.replacement_timeout = 600
node.session.auth.authmethod = CHAP
node.session.auth.username = host
node.session.auth.password = {SECRET}
# END RECORD
"""


@pytest.mark.fault("F04")
@pytest.mark.parametrize(
    ("mode", "differ"), [(0o600, ()), (0o644, ("node.session.auth.password",))]
)
def test_an_attach_writes_a_secret_again_into_a_record_that_others_may_read(
    tmp_path: Path, mode: int, differ: tuple[str, ...]
) -> None:
    path = tmp_path / "default"
    path.write_text(TEXT)
    record = NodeRecord(path=path, target=TARGET, portal=A, mode=mode)
    wanted = spec(account=Account("host", Secret(SECRET)))
    assert observe_unsettled(Inventory((record,)), wanted, TARGET, multipath=False) == {
        str(path): differ
    }
