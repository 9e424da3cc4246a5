"""Templates: protected biometric templates of images, from trained encoders and from published schemes.

The names below are for plug-ins: the contracts of models, data and attacks.
"""

from typing import TYPE_CHECKING

from veilbench.bench.lazy_names import import_on_use

if TYPE_CHECKING:  # read by type checkers, and by `bench.sources` for the digests of code
    from veilbench.families.templates.attacks.template_attack import TemplateAttack
    from veilbench.families.templates.data.identities import Identities, IdentitiesData
    from veilbench.families.templates.data.raw_identities import IdentitySource, RawIdentities
    from veilbench.families.templates.encoder import Encoder
    from veilbench.families.templates.schemes.base import TemplateScheme

__all__ = [
    "Encoder",
    "Identities",
    "IdentitiesData",
    "IdentitySource",
    "RawIdentities",
    "TemplateAttack",
    "TemplateScheme",
]

__getattr__ = import_on_use(
    __name__,
    {
        "Encoder": "encoder",
        "Identities": "data.identities",
        "IdentitiesData": "data.identities",
        "IdentitySource": "data.raw_identities",
        "RawIdentities": "data.raw_identities",
        "TemplateAttack": "attacks.template_attack",
        "TemplateScheme": "schemes.base",
    },
)
