"""Publishing records to a tracking store. Configurations of earlier versions name the two classes here."""

from veilbench.bench.tracking.mlflow import Mlflow
from veilbench.bench.tracking.none import NoTracking
from veilbench.bench.tracking.record import headline, verdicts

__all__ = ["Mlflow", "NoTracking", "headline", "verdicts"]
