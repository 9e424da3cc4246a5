"""The commands `veilbench autoencoder score` and `restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    rich_markup_mode=None,
    help="Score the rows of a table, and restore images.",
)

_Model = Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a trained model: results/*/train.")]


@app.command()
def score(
    model: _Model,
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A .csv, .tsv or .parquet file; text may be gzipped.")],
    out: Annotated[Path | None, typer.Option("--out", help="File to write, instead of standard output.")] = None,
    top: Annotated[int, typer.Option("--top", min=0, help="Features to name for each row.")] = 3,
) -> None:
    """Print an anomaly score for each row of a table, as CSV.

    The columns are row (from 1), score (higher is more anomalous), rank (1 for the highest score), and the features
    that contribute most to the score, each with its share of it. The table has the columns of the training data; that
    of the labels may be missing.
    """
    from veilbench.families.autoencoders.files.scored_table import score_table

    scored = score_table(model, table, top)
    if scored.note:
        typer.echo(f"note: {scored.note}", err=True)
    if out is None:
        typer.echo(scored.to_csv(), nl=False)
    else:
        scored.write(out, table)


@app.command()
def restore(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="The folder of a trained model, results/*/train, or `denoiser`."),
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="png, tif, bmp, jpg, pgm or ppm.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder to write, all images or none.")],
    sigma: Annotated[
        float | None,
        typer.Option("--sigma", help="Standard deviation of the noise, of 255 grey levels; estimated if not given."),
    ] = None,
    eightfold: Annotated[
        bool,
        typer.Option("--eightfold", help="Average over eight turned and mirrored copies: slower, a little better."),
    ] = False,
) -> None:
    """Restore images, and write each as a PNG file of the same name into a folder.

    `denoiser` is included: it removes Gaussian noise from images of any size.
    """
    from veilbench.families.autoencoders.files.restored_images import restore_images

    restore_images(model, images, out, sigma, eightfold)
