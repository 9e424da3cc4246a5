"""The report's comparisons of attacks on mail filters across aggregations: words, membership and poisoning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from veilbench.bench.report.records import Record
from veilbench.bench.report.specs import Comparison, Entry
from veilbench.families.mail.table import describe_protection, format_attack_metric

WORDS = {
    "message_precision": ("Message, precision", "Share of correct words among those inferred from client messages"),
    "message_recall": ("Message, recall", "Share of a client's words that are inferred from its messages"),
    "message_rare_precision": ("Message, rare precision", "The same precision for names, numbers and other rare words"),
    "message_rare_recall": ("Message, rare recall", "The same recall for names, numbers and other rare words"),
    "mean_precision": (
        "Mean, precision",
        "Share of words that any client has used among those inferred from the means",
    ),
    "mean_recall": ("Mean, recall", "Share of all clients' words that are inferred from the means"),
    "mean_as_one_client_precision": (
        "Mean as one client’s, precision",
        "Share of words that the best fitting client has used among those inferred from the means",
    ),
    "mean_as_one_client_recall": (
        "Mean as one client’s, recall",
        "Share of the best fitting client's words that are inferred from the means",
    ),
}
POISON = {
    "accuracy_none": ("Accuracy, no rogue client", "Share of test mails classified correctly after an honest round"),
    "accuracy_flipped_labels": ("Flipped labels", "Accuracy if rogue clients train on flipped labels"),
    "accuracy_flipped_labels_enlarged": ("Enlarged", "Accuracy if rogue clients also scale up these updates"),
    "accuracy_backdoor": ("Backdoor", "Accuracy if rogue clients implant a backdoor instead, by the strongest path"),
    "boosted_gain": ("Boosted", "Gain of rogue clients that enlarge the trigger's rows"),
    "tailored_gain": ("Tailored", "Gain of rogue clients that look for the largest scale that the rule accepts"),
    "colluding_gain": ("Colluding", "Gain of rogue clients that send equal updates, of which Krum selects one"),
    "little_is_enough_gain": ("Little is enough", "Gain of rogue clients within the spread of the honest updates"),
    "spam_passing_with_trigger": ("Spam passing", "Share of spam that passes with the trigger of the strongest path"),
    "spam_passing_without_trigger": (
        "Without trigger",
        "Share of spam that passes the same filter without it",
    ),
}
MEMBERSHIP = {
    "confidence_auroc": (
        "Queries, confidence",
        "AUROC of a threshold on the logit of the correct label: 0.5 is chance",
    ),
    "unused_words_auroc": (
        "Queries, unused words",
        "AUROC of one-word queries: a word that moves no score was not used",
    ),
    "lira_auroc": ("Queries, LiRA", "AUROC of online LiRA with the pool of shadow filters"),
    "rmia_auroc": ("Queries, RMIA", "AUROC of RMIA with the same pool"),
    "bavaria_auroc": ("Queries, BaVarIA", "AUROC of BaVarIA with the same pool"),
    "bavaria_tpr_at_1_percent_fpr": ("BaVarIA, found", "True positive rate of BaVarIA at 1 % false positives"),
    "zero_rows_auroc": ("Weights, zero rows", "AUROC of the rows that are zero in the trained filter"),
    "optimum_auroc": ("Weights, optimum", "AUROC of the mails of which the weights of a penalised fit are the sum"),
    "moved_rows_auroc": ("Updates, moved rows", "AUROC of the rows that the clients' updates moved"),
    "moved_rows_first_client_auroc": ("Whose mail", "AUROC of the same for the question whether a mail is client 0's"),
    "fedmia_auroc": ("Updates, FedMIA", "AUROC of FedMIA: cosines of the updates and the mail's gradient"),
}
AUDITED = {
    "epsilon_claimed": (
        "Claimed",
        "Epsilon by the Renyi accountant: of a client, where clients are protected, or of a mail",
    ),
    "epsilon_prv": ("Claimed, PRV", "The same by numerical composition of privacy losses, which is tighter"),
    "epsilon_audited": ("Audited", "Epsilon that fits the scores of the canaries; the lower end has 95 % confidence"),
    "epsilon_audited_without_noise": ("Without noise", "Positive control: the same federation without noise"),
    "epsilon_proved": ("Proved", "Lower bound from guesses about canaries, 95 %, for a Gaussian trade-off"),
    "epsilon_provable": ("Provable", "The same if all guesses were right"),
}
PROTECTION = ("Protection", "Who averages the clients' updates, and how they are protected")


def list_attacked(
    attack: str, metrics: Sequence[str], share: bool = True, needed: str = ""
) -> Callable[[Sequence[Record]], Sequence[Entry]]:
    """Return a function that lists the experiments with an attack as table rows.

    Args:
        attack: name of the attack in the configuration.
        metrics: names of the attack's metrics, one cell each.
        share: whether the metrics are shares, shown in per cent.
        needed: metric without which an experiment is left out; empty lists all that were attacked.
    """

    def list_entries(records: Sequence[Record]) -> Sequence[Entry]:
        found = [(record, record.found["attack"].get(attack)) for record in records]
        attacked = [record for record, one in found if one and (not needed or needed in one.metrics)]
        return [
            Entry(r.name, [describe_protection(r), *(format_attack_metric(r, attack, name, share) for name in metrics)])
            for r in attacked
        ]

    return list_entries


NAMED_WORDS = Comparison(
    "Words named by what is sent, under each aggregation",
    "Words that an honest-but-curious aggregator infers from one client's messages, and that every client infers from "
    "the means, over as many rounds as the federation had. If a mean is the update of a single client, it reveals this "
    "client's words.",
    (PROTECTION, *WORDS.values()),
    list_attacked("mail_word_leak", list(WORDS)),
)
MEMBERS = Comparison(
    "Members found, by who observes what",
    "Was a mail among the training mails? Whoever queries scores compares them with those of one pool of shadow "
    "filters, or asks for single words; whoever has the weights sees which words never moved; and the aggregator reads "
    "each client’s updates, unless these are encrypted. All numbers are areas under the ROC curve, and 0.5 is chance, "
    "except “found”.",
    (PROTECTION, *MEMBERSHIP.values()),
    list_attacked("mail_membership", list(MEMBERSHIP), share=False),
)
POISONED = Comparison(
    "Rogue clients, under each aggregation",
    "The federation continues for some rounds, in which all clients have equally many mails and some are malicious. "
    "Labels are flipped for one round. Each gain is the share of spam that passes with the trigger and not without it.",
    (PROTECTION, *POISON.values()),
    list_attacked("mail_poison", list(POISON)),
)
AUDITS = Comparison(
    "Differential privacy, claimed and audited",
    "Canaries take part in a training of the federation, or do not, by coin flips: clients that send random directions "
    "where clients are protected, otherwise mails of one unused word. If an audited epsilon exceeds the claimed one, "
    "the claim is false. One that is lower shows what this attacker achieves, not what privacy there is. A claim above "
    "the control without noise cannot be contradicted.",
    (PROTECTION, *AUDITED.values()),
    list_attacked("mail_membership", list(AUDITED), share=False, needed="epsilon_claimed"),
)
