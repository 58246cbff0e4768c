"""`completion`: print the completion script of a shell."""

import click

from iscsictl.cli.completions.generate import script
from iscsictl.cli.help import command
from iscsictl.cli.options import Settings, common


@command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common
def completion(_settings: Settings, shell: str) -> int:
    """Print the completion script of a shell.

    For bash, in ~/.bashrc: source <(iscsictl completion bash)

    For zsh: iscsictl completion zsh > "${fpath[1]}/_iscsictl"

    For fish: iscsictl completion fish > ~/.config/fish/completions/iscsictl.fish
    """
    root = click.get_current_context().find_root().command
    click.echo(script(shell, root), nl=False)
    return 0
