"""The command `veilbench`. Each command imports what it needs only when it runs, so that help is fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from veilbench.bench.errors import one_line_errors
from veilbench.version import __version__

if TYPE_CHECKING:
    from veilbench.families.templates.store.answer import Answer
    from veilbench.workflow.command import Main

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # brackets in help are brackets
    context_settings={"help_option_names": ["-h", "--help"]},
)

_FILES = (
    "MODEL is the folder of a trained model, results/<experiment>/train. OUT is replaced only once all of it "
    "is written and checked."
)
_WARNING = (
    "A study object, not cryptography: letter-frequency analysis of the ciphertext alone recovers nearly all "
    "of an English text from some hundred characters. For anything real use authenticated encryption, such "
    "as AES-GCM from the Python library cryptography."
)
_Model = Annotated[Path, typer.Argument(metavar="MODEL")]
_Source = Annotated[Path, typer.Argument(metavar="IN")]
_Target = Annotated[Path, typer.Argument(metavar="OUT")]
_Escape = Annotated[bool, typer.Option("--escape", help="Take any file, whatever its bytes.")]
_Version = Annotated[bool, typer.Option("--version", help="Show the version and exit.")]


@app.callback(invoke_without_command=True)
def veilbench(version: _Version = False) -> None:
    """Train models that hide data, measure what the hidden data is still good for, and attack them."""
    if version:
        typer.echo(f"veilbench {__version__}")
        raise typer.Exit


_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["-h", "--help"]}


@app.command(context_settings=_THROUGH)
def init(context: typer.Context) -> None:
    """Make a new bench: FOLDER with configuration, an example model and the stages for DVC."""
    from veilbench.workflow.init import main

    _run(main, context)


@app.command("list", context_settings=_THROUGH)
def list_(context: typer.Context) -> None:
    """List what can be chosen, and where it comes from: [models|data|attacks|experiments ...] [--family NAME]."""
    from veilbench.workflow.listing import main

    _run(main, context)


@app.command(context_settings=_THROUGH)
def run(context: typer.Context) -> None:
    """Run all stages of one experiment: experiment=NAME and other overrides, in Hydra's grammar.

    The record is written to outputs/, into a folder that is named by experiment, overrides and a digest of settings and
    code. The same command finds a complete record; force=true computes it again.
    """
    from veilbench.workflow.run import main

    _run(main, context)


@app.command(context_settings=_THROUGH)
def plan(context: typer.Context) -> None:
    """Say what `veilbench run` with the same overrides would do, from which digests, and about how long."""
    from veilbench.workflow.plan import main

    _run(main, context)


@app.command(context_settings={**_THROUGH, "help_option_names": []})
def sweep(context: typer.Context) -> None:
    """Run an experiment with many settings: experiment=NAME key=1,2,3 seed=range(3). It takes the options of Hydra."""
    from veilbench.workflow.sweep import main

    many = not {"-m", "--multirun", "-h", "--help", "-c", "--cfg", "-i", "--info"} & set(context.args)
    if many:
        context.args.insert(0, "--multirun")
    _run(main, context)


@app.command(context_settings=_THROUGH)
def search(context: typer.Context) -> None:
    """Search for good settings with Optuna: NAME of a file of conf/search, and overrides."""
    from veilbench.workflow.search import main

    _run(main, context)


@app.command(context_settings=_THROUGH)
def repro(context: typer.Context) -> None:
    """Run `dvc repro` on several cores: [JOBS], by default one for each core."""
    from veilbench.workflow.repro import main

    _run(main, context)


@app.command(context_settings=_THROUGH)
def report(context: typer.Context) -> None:
    """Write report/ from results/, or from the records in [FOLDER ...]; --table prints the leaderboard."""
    from veilbench.workflow.report import main

    _run_stage(main, context)


@app.command(context_settings=_THROUGH)
def track(context: typer.Context) -> None:
    """Publish all records that the tracking store lacks, or those in [FOLDER ...]."""
    from veilbench.workflow.track import main

    _run_stage(main, context)


@app.command(context_settings=_THROUGH)
def resolve(context: typer.Context) -> None:
    """Write the resolved settings of the experiments of conf/pipeline.yaml to params/."""
    from veilbench.workflow.resolve import main

    _run_stage(main, context)


def _add_stage(name: str, what: str) -> None:
    def stage(context: typer.Context) -> None:
        from veilbench.workflow.command import run_stage

        run_stage(name, context.args)

    app.command(name, help=what, context_settings=_THROUGH)(stage)


_add_stage("prepare", "Stage of DVC: generate or read the data set DATA of params/data.")
_add_stage("train", "Stage of DVC: fit the model of EXPERIMENT of params/.")
_add_stage("evaluate", "Stage of DVC: measure the utility of EXPERIMENT of params/.")
_add_stage("attack", "Stage of DVC: attack EXPERIMENT of params/.")


def _run(main: Main, context: typer.Context) -> None:
    from veilbench.workflow.command import run

    run(main, context.args)


def _run_stage(main: Main, context: typer.Context) -> None:
    from veilbench.workflow.command import run_as_stage

    run_as_stage(main, context.args)


@app.command(help=f"Encrypt a text of the characters chr(32) to chr(122).\n\n{_FILES}\n\n{_WARNING}")
def encrypt(model: _Model, source: _Source, target: _Target, escape: _Escape = False) -> None:
    """Encrypt a file."""
    from veilbench.families.ciphers.files.file_tools import encrypt_file

    encrypt_file(model, source, target, escape)


@app.command(help=f"Decrypt what `veilbench encrypt` made with the same model.\n\n{_FILES}\n\n{_WARNING}")
def decrypt(model: _Model, source: _Source, target: _Target) -> None:
    """Decrypt a file."""
    from veilbench.families.ciphers.files.file_tools import decrypt_file

    decrypt_file(model, source, target)


@app.command()
def score(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a trained filter: results/*/train.")],
    mails: Annotated[list[Path], typer.Argument(metavar="MAILFILE...", help="Mails as .eml files, or as plain text.")],
) -> None:
    """Print the probability that each mail is spam: one line per mail with the probability, a tab and the file."""
    from veilbench.families.mail.score_files import score_files

    for probability, path in zip(score_files(model, mails), mails, strict=True):
        typer.echo(f"{probability:.6f}\t{path}")


_People = Annotated[str, typer.Argument(metavar="PERSON", help="The name to enrol under.")]
_Store = Annotated[Path, typer.Argument(metavar="STORE", help="The file of templates.")]
_Templates = Annotated[Path, typer.Argument(metavar="MODEL", help="A model that makes templates: results/*/train.")]
_Images = Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="png, tif, bmp, jpg or pgm.")]
_Key = Annotated[Path | None, typer.Option("--key", help="The user's key, for schemes that have one.")]
_Resize = Annotated[bool, typer.Option("--resize", help="Scale images of another size than the model's.")]
_Threshold = Annotated[float | None, typer.Option("--threshold", help="Likeness from which on to accept.")]
_Fmr = Annotated[float, typer.Option("--fmr", help="Else: the false match rate whose threshold was measured.")]
_CODES = "Exit code: 0 match, 1 no match, 2 bad input."


def _say(answer: Answer) -> None:
    for line in answer.lines:
        typer.echo(line)
    for line in answer.notes:
        typer.echo(f"note: {line}", err=True)
    raise typer.Exit(0 if answer.match else 1)


@app.command()
def key(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Generate a user's key for `enroll`, `verify` and `identify`; keep it apart from the templates."""
    from veilbench.families.templates.store.user_key import create

    create(file)


@app.command()
def enroll(
    model: _Templates,
    store: _Store,
    person: _People,
    images: _Images,
    key: _Key = None,
    resize: _Resize = False,
    renew: Annotated[bool, typer.Option("--renew", help="Revoke the person's templates of before.")] = False,
) -> None:
    """Add templates of a person's images to a store; the images themselves are not stored."""
    from veilbench.families.templates.store.enrolment import enroll

    _say(enroll(model, store, person, images, key, resize, renew))


@app.command(help=f"Is this image of this person?\n\n{_CODES}")
def verify(
    model: _Templates,
    store: _Store,
    person: _People,
    image: Annotated[Path, typer.Argument(metavar="IMAGE")],
    key: _Key = None,
    resize: _Resize = False,
    threshold: _Threshold = None,
    fmr: _Fmr = 0.01,
) -> None:
    """Compare an image with a person's templates."""
    from veilbench.families.templates.store.recognition import Presented, verify

    _say(verify(Presented(model, store, key, resize, threshold, fmr), person, image))


@app.command(
    help="Find the most similar people. Prints tab-separated lines: image, rank, person, similarity score and outcome."
    f"\n\n{_CODES}"
)
def identify(
    model: _Templates,
    store: _Store,
    images: _Images,
    top: Annotated[int, typer.Option("--top", min=1, help="People to list for each image.")] = 1,
    key: _Key = None,
    resize: _Resize = False,
    threshold: _Threshold = None,
    fmr: _Fmr = 0.01,
) -> None:
    """Compare images with every template."""
    from veilbench.families.templates.store.recognition import Presented, identify

    _say(identify(Presented(model, store, key, resize, threshold, fmr), images, top))


@app.command()
def revoke(
    store: _Store,
    people: Annotated[list[str], typer.Argument(metavar="PERSON...")],
    forget: Annotated[bool, typer.Option("--forget", help="Leave nothing of them, not even which keys.")] = False,
) -> None:
    """Remove people's templates from a store; they cannot be enrolled again under the same key."""
    from veilbench.families.templates.store.enrolment import revoke

    _say(revoke(store, people, forget))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; bad input ends with one line on stderr and exit code 2.

    Args:
        arguments: arguments to parse instead of the process's own.
    """
    with one_line_errors():
        app(arguments)
