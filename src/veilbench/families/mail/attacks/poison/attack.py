"""Poisoning: malicious clients of a federation degrade the filter or implant a backdoor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, cast

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack, ControlCase
from veilbench.bench.findings import BudgetCurve, Findings, Metric, Table
from veilbench.bench.limits import Count, Positive, PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.poison.federation import AttackedFederation, RogueClients
from veilbench.families.mail.attacks.poison.outcome import Outcome, find_strongest
from veilbench.families.mail.attacks.poison.rogues.base import Rogue
from veilbench.families.mail.attacks.poison.rogues.boosted import Boosted
from veilbench.families.mail.attacks.poison.rogues.tailored import Tailored
from veilbench.families.mail.attacks.poison.trigger import Trigger, choose_common_words, draw_unused_words
from veilbench.families.mail.attacks.word_leak.attack import require_protocol
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch, draw_batches
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.filter import MailFilter

COLUMNS = ["rogue clients", "rounds", "accuracy", "spam passing with trigger", "spam passing without"]
Row = list[str | float | Metric | None]


class MailPoison(Attack[MailFilter, Mails]):
    """Malicious clients of a federation implant a backdoor with a trigger over several rounds.

    More rounds are run from the trained filter's weights, under the target's aggregation. The training mails are
    redistributed evenly to `clients` clients, since Krum and trimming need more than three. The trigger consists of
    words that no mail contains; all other rows of a backdoor update are honest. Each behaviour of the malicious
    clients is a path: `boosted` enlarges the trigger's rows (Bagdasaryan et al. 2020), `tailored` looks for the largest
    scale that the rule accepts (Shejwalkar and Houmansadr 2021), `colluding` sends equal updates, which Krum selects,
    and `little_is_enough` stays within the spread of the updates (Baruch et al. 2019). Where a rule selects another
    client's update, `tailored` and `colluding` send a smaller one in the next round. The malicious clients know their
    own mails, the rule and the shared weights, but no honest update. Clients that flip their labels are reported beside
    them, after one round. To compare aggregations, run one experiment with each; the report has a table of them.

    The gain is the share of test spam that passes with the trigger minus the share that passes without it, after the
    last round. It is 0 if the trigger has no effect, however much spam the filter misses. The verdict is that of the
    strongest path; the intervals hold jointly. The positive control of a path is a federation with an unprotected mean,
    and for `colluding` and `little_is_enough` one with Krum. The negative control is the target's federation with the
    same malicious clients and trigger, but with spam taught as spam: on no path may the trigger help spam to pass.

    Args:
        threat: threat model; needs `rogue_clients`.
        positive: positive control, a federation that can be poisoned.
        negative: negative control; None runs the target's federation with clients that label truthfully.
        rounds: number of attacked rounds; the gain after half of them is reported, too.
        clients: number of clients in an attacked round.
        rogue: number of the malicious clients, fewer than half of `clients`, and how they learn the trigger.
        rogues: behaviours of the malicious clients, one path each.
        enlarge: factor by which flipped labels' updates are scaled for the second of their two rows.
        broken_threshold: gain from which a federation counts as broken; 0 is chance and 1 is full success.
    """

    data_kind = Mails
    target_kind = MailFilter
    target_needs = ("protocol",)

    title = "Poisoned clients"

    def __init__(
        self,
        threat: ThreatModel,
        positive: MailFilter,
        negative: MailFilter | None = None,
        rounds: Steps = 2,
        clients: Annotated[Count, Ge(3)] = 10,
        rogue: RogueClients = RogueClients(),  # noqa: B008 - frozen
        rogues: Sequence[Rogue] = (Boosted(), Tailored()),
        enlarge: Positive = 500.0,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if 2 * rogue.count >= clients:
            raise ValueError(f"rogue.count={rogue.count} must be fewer than half of clients={clients}")
        self.rogues = {each.name: each for each in rogues}
        if not rogues or len(self.rogues) < len(rogues):
            raise ValueError(f"rogues={[each.name for each in rogues]} must be one or more different behaviours")
        self.rounds, self.clients, self.rogue, self.enlarge = rounds, clients, rogue, enlarge

    def control_cases(self, target: MailFilter, data: Mails) -> Sequence[ControlCase[MailFilter]]:
        """Return a positive control for each behaviour, and the negative control of all."""
        chosen = [each.choose_control(self.positive, self.rogue.count) for each in self.rogues.values()]
        schemes = [cast(MailFilter, scheme) for scheme in chosen]  # which it is once it is fitted
        positives = [ControlCase("positive", *pair) for pair in zip(schemes, self.rogues, strict=True)]
        return [*positives, ControlCase("negative", self.negative)]

    def run_control(
        self,
        case: ControlCase[MailFilter],
        scheme: MailFilter,
        data: Mails,
        trainer: Accelerator,
        rng: np.random.Generator,
    ) -> Findings:
        """Attack a control by its path only."""
        trainer.device()
        found = Findings(self.title)
        self._attack(found, self.set_up(scheme, data, rng), data, [case.path] if case.path else list(self.rogues))
        return found

    def run(
        self, target: MailFilter, data: Mails, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Run the attacked rounds on every path, and one round with flipped labels."""
        accelerator.device()
        found, federation = Findings(self.title), self.set_up(target, data, rng)
        rows = self._attack(found, federation, data, list(self.rogues))
        flipped = [] if control else self._flip(found, federation, data)
        found.tables.append(Table(f"{self.rogue.count} rogue clients of {self.clients}", COLUMNS, [*flipped, *rows]))
        return found

    def set_up(
        self,
        target: MailFilter,
        data: Mails,
        rng: np.random.Generator,
        label: int = 0,
        batches: Sequence[ClientBatch] | None = None,
    ) -> AttackedFederation:
        """Draw the clients' mails and the trigger.

        Args:
            target: filter from whose weights the rounds start.
            data: mails whose training part is given to the clients.
            rng: source of all randomness.
            label: label that spam with the trigger is taught as: 0 for ham; 1, the truth, implants nothing.
            batches: mails of each client; None deals the training mails evenly.
        """
        self.threat.require("rogue_clients")
        protocol = replace(require_protocol(target), mails=None, words=None)
        words = draw_unused_words(data, self.rogue.trigger, rng) if self.rogue.words == "unused" else None
        batches = batches or draw_batches(data, [len(data.train) // self.clients] * self.clients, rng)
        if words is None:
            words = choose_common_words(target, batches[: self.rogue.count], self.rogue.trigger)
        trigger = Trigger(words, target.weights["embedding.weight"].shape[1], label)
        aggregation, seed = protocol.build_aggregation(), int(rng.integers(2**31))
        return AttackedFederation(target, protocol, aggregation, batches, self.rogue, trigger, seed)

    def _own_control(
        self, target: MailFilter, data: Mails, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> tuple[str, Metric]:
        """Run the rounds on every path with malicious clients that label truthfully."""
        trainer.device()
        found = Findings(self.title)
        self._attack(found, self.set_up(target, data, np.random.default_rng(seed), 1), data, list(self.rogues))
        assert found.gain is not None
        return "rogue clients that label truthfully", found.gain

    def _attack(self, found: Findings, federation: AttackedFederation, data: Mails, paths: Sequence[str]) -> list[Row]:
        """Attack on some paths, report the strongest one, and return a table row for each."""
        at = sorted({max(self.rounds // 2, 1), self.rounds})
        weights = {path: federation.run(self.rogues[path], self.rounds) for path in paths}
        after = [
            {path: Outcome.measure(federation, weights[path][n - 1], data, len(paths)) for path in paths} for n in at
        ]
        best, found.gain = find_strongest(after[-1])
        found.budget = BudgetCurve("rounds", at, [find_strongest(outcomes)[1].value for outcomes in after])
        found.notes.append(f"The gain is that of the path {best}.")
        for path, outcome in after[-1].items():
            found.metrics[f"{path}_gain"], found.metrics[f"accuracy_{path}"] = outcome.gain, outcome.accuracy
        found.metrics["accuracy_backdoor"] = after[-1][best].accuracy
        found.metrics["spam_passing_with_trigger"] = after[-1][best].with_trigger
        found.metrics["spam_passing_without_trigger"] = after[-1][best].without
        return [_list_cells(path, self.rounds, outcome) for path, outcome in after[-1].items()]

    def _flip(self, found: Findings, federation: AttackedFederation, data: Mails) -> list[Row]:
        """Run one honest round, and two in which clients flip their labels; return a table row for each."""
        start, mine = federation.target.weights, federation.batches[: self.rogue.count]
        flipped = [federation.train_client(start, flip_labels(batch), 0) for batch in mine]
        enlarged = [self.enlarge * update for update in flipped]
        kinds = {"none": [], "flipped labels": flipped, "flipped labels, enlarged": enlarged}
        rows = list[Row]()
        for kind, updates in kinds.items():
            outcome = Outcome.measure(federation, federation.replace_first(updates), data)
            found.metrics[f"accuracy_{kind.replace(',', '').replace(' ', '_')}"] = outcome.accuracy
            rows.append(_list_cells(kind, 1, outcome))
        return rows


def _list_cells(kind: str, rounds: int, outcome: Outcome) -> Row:
    return [kind, rounds, outcome.accuracy, outcome.with_trigger, outcome.without]


def flip_labels(batch: ClientBatch) -> ClientBatch:
    """Return a client's mails with ham labelled as spam and spam as ham."""
    return ClientBatch(batch.tokens, 1 - batch.labels)
