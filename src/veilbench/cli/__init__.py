"""The command `veilbench`. Each command imports what it needs only when it runs, so that help is fast."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer
import typer.core

from veilbench.bench.errors import UserError, one_line_errors
from veilbench.cli import audit, autoencoder, cipher, mail, template
from veilbench.version import __version__
from veilbench.workflow.forking import forward
from veilbench.workflow.usage import USAGES, Usage

typer.core.HAS_RICH = False  # with rich, typer prints a backslash before [required]
HELP = {"help_option_names": ["-h", "--help"]}
GROUPS = {"cipher": cipher.app, "template": template.app, "mail": mail.app, "autoencoder": autoencoder.app}
MOVED = {
    "encrypt": "cipher", "decrypt": "cipher", "score": "mail", "key": "template", "enroll": "template",
    "verify": "template", "identify": "template", "revoke": "template",
}  # fmt: skip
MODULES = {"list": "listing"}  # modules of veilbench.workflow that are not called like their command
SINGLE = ("-m", "--multirun", "-c", "--cfg", "-i", "--info", "--hydra-help")  # options that `sweep` adds nothing to

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # brackets in help are brackets
    context_settings=HELP,
)
_Version = Annotated[bool, typer.Option("--version", help="Show the version and exit.")]


@app.callback(invoke_without_command=True)
def veilbench(version: _Version = False) -> None:
    """Train models that hide data, measure what the hidden data is still good for, and attack them."""
    if version:
        typer.echo(f"veilbench {__version__}")
        raise typer.Exit


def _call(name: str, arguments: list[str]) -> None:
    """Run a command of the workflow, whose module is imported only now."""
    from veilbench.workflow import command

    if name in ("prepare", "train", "evaluate", "attack"):
        command.run_stage(name, arguments)
        return
    if name == "sweep" and arguments and not any(word.partition("=")[0] in SINGLE for word in arguments):
        arguments.insert(0, "--multirun")
    main = import_module(f"veilbench.workflow.{MODULES.get(name, name)}").main
    run = command.run_as_stage if name in ("report", "track", "resolve") else command.run
    run(name, main, arguments)


def _add(usage: Usage) -> None:
    """Add a command of the workflow, which parses its arguments itself."""

    def command(context: typer.Context) -> None:
        _call(usage.name, context.args)

    settings = {"allow_extra_args": True, "ignore_unknown_options": True, **HELP}
    app.command(usage.name, help=usage.purpose, options_metavar=usage.arguments, context_settings=settings)(command)


def _refuse_old_name(name: str, group: str) -> None:
    """Add a hidden command that says where a command of a family is now."""

    def moved(context: typer.Context) -> None:
        raise UserError(f"veilbench {name} is now veilbench {group} {name}")

    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command(name, hidden=True, context_settings=settings)(moved)


for _usage in USAGES.values():
    _add(_usage)
app.command("audit", context_settings=HELP)(audit.audit)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name, no_args_is_help=True, context_settings=HELP)
for _name, _home in MOVED.items():
    _refuse_old_name(_name, _home)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; bad input ends with one line on stderr and exit code 2.

    Args:
        arguments: arguments to parse instead of the process's own.
    """
    forward()  # within `veilbench repro`, to the server of forks
    with one_line_errors():
        app(arguments, prog_name="veilbench")
