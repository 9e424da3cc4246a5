"""The report's comparisons of attacks on mail federations across aggregations: words named, and poison."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from veilbench.bench.report.records import Record
from veilbench.bench.report.specs import Comparison, Entry
from veilbench.families.mail.table import attack_cell, protection

WORDS = {
    "message_precision": ("Message, precision", "Share of the words that a client's messages name that are its own"),
    "message_recall": ("Message, recall", "Share of a client's words that its messages name"),
    "message_rare_precision": ("Message, rare precision", "The same precision, of names, numbers and other rare words"),
    "message_rare_recall": ("Message, rare recall", "The same recall, of names, numbers and other rare words"),
    "mean_precision": ("Mean, precision", "Share of the words that the means name that any client has used"),
    "mean_recall": ("Mean, recall", "Share of all clients' words that the means name"),
    "mean_as_one_client_precision": (
        "Mean as one client’s, precision",
        "Share of the words that the means name that the best fitting client has used",
    ),
    "mean_as_one_client_recall": (
        "Mean as one client’s, recall",
        "Share of the best fitting client's words that the means name",
    ),
}
POISON = {
    "accuracy_none": ("Accuracy, no rogue client", "Share of test mails filed rightly after an honest round"),
    "accuracy_flipped_labels": ("Flipped labels", "Accuracy if rogue clients train on flipped labels"),
    "accuracy_flipped_labels_enlarged": ("Enlarged", "Accuracy if they enlarge these updates too"),
    "accuracy_backdoor": ("Backdoor", "Accuracy if they implant a backdoor instead"),
    "spam_passing_with_trigger": ("Spam passing", "Share of spam that passes with the backdoor's trigger"),
    "spam_passing_without_trigger": ("Without trigger", "Share of spam that passes that filter without the trigger"),
}
PROTECTION = ("Protection", "Who averages the clients' updates, and how they are protected")


def entries(attack: str, metrics: Sequence[str]) -> Callable[[Sequence[Record]], Sequence[Entry]]:
    """Return a function that lists the experiments with an attack, each with the attack's metrics as cells."""

    def listed(records: Sequence[Record]) -> Sequence[Entry]:
        attacked = [record for record in records if attack in record.found["attack"]]
        return [Entry(r.name, [protection(r), *(attack_cell(r, attack, name) for name in metrics)]) for r in attacked]

    return listed


NAMED_WORDS = Comparison(
    "Words named by what is sent, under each aggregation",
    "What the honest-but-curious aggregator reads in one client's messages, and what every client reads in the means, "
    "over as many rounds as the federation had. The means can name one client's words if they are one client's update.",
    (PROTECTION, *WORDS.values()),
    entries("mail_word_leak", list(WORDS)),
)
POISONED = Comparison(
    "Rogue clients, under each aggregation",
    "One more round with rogue clients among equal ones. “Accuracy” is that of the filter after the round.",
    (PROTECTION, *POISON.values()),
    entries("mail_poison", list(POISON)),
)
