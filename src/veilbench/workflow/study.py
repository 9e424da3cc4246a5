"""Opens the study of a search in a database or a journal file, which several processes and machines may share."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veilbench.bench.database_lock import lock_database
from veilbench.bench.errors import UserError
from veilbench.bench.masking import mask_secrets
from veilbench.bench.search import Search
from veilbench.workflow.job import difference

if TYPE_CHECKING:
    import optuna

DATABASES = ("sqlite", "postgresql", "mysql")
JOURNAL = ".journal"
ALLOWED = f"sqlite:///FILE, postgresql+psycopg://, mysql+pymysql:// or a file that ends with {JOURNAL}"
PATIENCE = 60.0  # seconds to wait for other processes that write into SQLite


def open_storage(address: str) -> optuna.storages.BaseStorage:
    """Open the storage of a study, and create it if it does not exist.

    Args:
        address: address of a database as SQLAlchemy takes it, or the path of a journal file.

    Raises:
        UserError: the address is not allowed, or the database cannot be opened. The message hides a password.
    """
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    shown = mask_secrets(address, address)
    scheme = address.partition("://")[0].partition("+")[0]
    try:
        if address.endswith(JOURNAL) and "://" not in address:
            Path(address).parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(address))
        if "://" in address and scheme in DATABASES:
            waits = {"connect_args": {"timeout": PATIENCE}} if scheme == "sqlite" else {"pool_pre_ping": True}
            with lock_database(address):
                return RDBStorage(address, engine_kwargs=waits)
    except Exception as error:  # of SQLAlchemy, of the database's driver, or of the file system
        reason = mask_secrets(" ".join(str(error).split()), address)[:200]
        raise UserError(f"storage={shown} cannot be opened: {reason}") from error
    raise UserError(f"storage={shown} is not allowed; allowed: {ALLOWED}")


def open_study(name: str, search: Search, storage: str, settings: dict[str, Any]) -> optuna.Study:
    """Create or load a study.

    Args:
        name: name of the study in its storage.
        search: the settings of the search.
        storage: address of the study's storage.
        settings: the settings that all trials share, by dotted names.

    Raises:
        UserError: the study was started with other settings.
    """
    import optuna

    optuna.logging.set_verbosity(logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    study = optuna.create_study(
        storage=open_storage(storage),
        study_name=name,
        direction=search.direction,
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0),
    )
    if told := difference(settings, study.user_attrs.get("settings", settings)):
        shown = mask_secrets(storage, storage)
        raise UserError(f"{shown} holds a search of other settings: {told}; move it away to start a new one")
    study.set_user_attr("settings", settings)
    return study
