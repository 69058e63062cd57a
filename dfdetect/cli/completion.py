"""``dfdetect completion``: a script that teaches the shell our commands and options."""

from __future__ import annotations

import click

from dfdetect.cli.common import COMMAND_SETTINGS, common_options
from dfdetect.cli.main import COMPLETION_VARIABLE, PROGRAM
from dfdetect.cli.stdout import document_stdout
from dfdetect.errors import DfdetectError

SHELLS = ("bash", "zsh", "fish")


@click.command(
    context_settings=COMMAND_SETTINGS,
    epilog="""\b
To switch it on for good:
  bash:  echo 'eval "$(dfdetect completion bash)"' >> ~/.bashrc
  zsh:   echo 'eval "$(dfdetect completion zsh)"' >> ~/.zshrc
  fish:  dfdetect completion fish > ~/.config/fish/completions/dfdetect.fish""",
)
@click.argument("shell", type=click.Choice(SHELLS))
@common_options
def completion(shell: str) -> None:
    """Print a script for completion in the shell."""
    from click.shell_completion import get_completion_class

    from dfdetect.cli.group import commands

    kind = get_completion_class(shell)
    if kind is None:
        raise DfdetectError(f"this version of click cannot complete in {shell}")
    # Not `source()`: for bash it runs the shell to look at its version, and warns on standard output.
    complete = kind(commands, {}, PROGRAM, COMPLETION_VARIABLE)
    # With \n on Windows too: there it is for Git's bash.
    document_stdout().write(complete.source_template % complete.source_vars() + "\n")
