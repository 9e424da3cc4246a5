"""Threat models: typed flags that say what an attacker has. An attack gets access to nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from veilbench.bench.errors import UserError


@dataclass(frozen=True)
class ThreatModel:
    """What the attacker has. By Kerckhoffs' principle the scheme itself is always known.

    Attributes:
        ciphertext: sees ciphertexts (codes, templates) of unknown data.
        public_ids: sees what the scheme publishes in addition to the ciphertext (an ensemble's member ids).
        known_pairs: has pairs of plain data and its ciphertext under the attacked key.
        encryption_queries: may have chosen data encrypted under the attacked key.
        nonce_reuse: the victim uses nonces more than once.
        weights: has the weights of the trained model.
        key: has the secret key under attack.
        auxiliary_data: has data of the same kind as the hidden data, disjoint from it.
        own_keys: may draw their own keys and encrypt with them.
        code_queries: may have chosen rows encoded.
        score_queries: may run chosen rows through the model and see their scores and reconstruction errors.
        decision_queries: may present chosen rows and sees whether they are accepted.
        client_messages: sees the message of each client of a federation, as its aggregator or on the network.
        aggregates: sees the shared weights before and after a round, as every client does.
        rogue_clients: controls some clients of a federation, with their data and updates.
    """

    ciphertext: bool = True
    public_ids: bool = True
    known_pairs: bool = False
    encryption_queries: bool = False
    nonce_reuse: bool = False
    weights: bool = False
    key: bool = False
    auxiliary_data: bool = False
    own_keys: bool = False
    code_queries: bool = False
    score_queries: bool = False
    decision_queries: bool = False
    client_messages: bool = False
    aggregates: bool = False
    rogue_clients: bool = False

    def granted(self) -> list[str]:
        """The names of the flags that are set, in their order of definition."""
        return [f.name for f in fields(self) if getattr(self, f.name)]

    def require(self, *flags: str) -> None:
        """Refuse what the threat model does not grant.

        Raises:
            UserError: a flag is not set.
        """
        for flag in flags:
            if not asdict(self)[flag]:
                raise UserError(f"the threat model does not grant {flag}; it grants: {', '.join(self.granted())}")
