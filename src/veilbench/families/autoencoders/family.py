"""Definition of the autoencoders family for the report."""

from veilbench.bench.family import Family
from veilbench.bench.report.specs import Utility

FAMILY = Family(
    "autoencoders",
    "Autoencoders",
    data=(
        "veilbench.families.autoencoders.data.rows.RowsData",
        "veilbench.families.autoencoders.data.photographs.PhotographsData",
    ),
    columns=(
        Utility("reconstruction.mse", "Error", "Mean squared error of rows through the code and back", 4),
        Utility("probe.logistic", "Probe", "Accuracy of a logistic regression on the code"),
        Utility("restoration.psnr_after", "Restored, dB", "Peak signal-to-noise ratio after restoration", 2),
        Utility("anomaly.auroc", "AUROC", "Area under the curve of detecting anomalies"),
        Utility("recommendation.hit_rate", "Hit rate", "Share of hidden likes among the films shown"),
        Utility("reconstruction.code_size", "Code", "Numbers in the code", 0),
    ),
)
