"""veilbench: train models that hide data, measure what the hidden data is good for, and attack them.

From Python: `veilbench.audit(model, data)` evaluates and attacks a model; `veilbench.load(folder)` reads a trained one.
"""

from typing import TYPE_CHECKING

from veilbench.bench.lazy_names import import_on_use
from veilbench.version import __version__

if TYPE_CHECKING:
    from veilbench.workflow.audit import Audit, audit, load

__all__ = ["Audit", "__version__", "audit", "load"]
__getattr__ = import_on_use(__name__, dict.fromkeys(["Audit", "audit", "load"], "workflow.audit"))
