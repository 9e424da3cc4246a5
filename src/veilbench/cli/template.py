"""The commands `veilbench template key`, `enroll`, `verify`, `identify` and `revoke`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from veilbench.families.templates.store.answer import Answer

app = typer.Typer(
    rich_markup_mode=None,
    help="Enrol, verify and identify people from images, against a store of templates.",
)

_People = Annotated[str, typer.Argument(metavar="PERSON", help="The name that the templates are stored under.")]
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
def key(file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")]) -> None:
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
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="png, tif, bmp, jpg or pgm.")],
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
