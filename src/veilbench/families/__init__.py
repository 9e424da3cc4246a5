"""The families: models of one kind each, with their data, evaluations and attacks. They are listed here, once."""

from importlib import import_module

from veilbench.bench.family import register

MODULES = (
    "veilbench.families.ciphers.family",
    "veilbench.families.autoencoders.family",
    "veilbench.families.templates.family",
    "veilbench.families.mail.family",
)


def register_all() -> None:
    """Make every family known to the report. Each module has a `FAMILY`."""
    for name in MODULES:
        register(import_module(name).FAMILY)
