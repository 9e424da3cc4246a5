"""Publishes records to a tracking store. Configurations of earlier versions import the two classes from here."""

from veilbench.bench.tracking.mlflow import Mlflow
from veilbench.bench.tracking.none import NoTracking
from veilbench.bench.tracking.record import read_headline

__all__ = ["Mlflow", "NoTracking", "read_headline"]
