"""Publishing records to a tracking store. Configurations of earlier versions name the two classes here."""

from veilbench.tracking.mlflow import Mlflow
from veilbench.tracking.none import NoTracking
from veilbench.tracking.record import headline, verdicts

__all__ = ["Mlflow", "NoTracking", "headline", "verdicts"]
