"""Filters on texts: their own probabilities, restored without pickle; attacks on words run, those on updates do not."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from finished import Finished, register
from veilbench.bench.errors import UserError
from veilbench.bench.roots import find_class
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.mail.data.clients import UnequalClients
from veilbench.families.mail.data.mail import MailData, Mails
from veilbench.families.mail.data.raw_mails import RawMails
from veilbench.families.mail.data.tokeniser import Tokeniser
from veilbench.families.mail.wrapped.fitted_filter import FittedFilter
from veilbench.families.mail.wrapped.saved_filter import SavedFilter

io = pytest.importorskip("skops.io", reason="skops is not installed")
TINY = [
    "data.source={mails:300,senders:10,tail:200,names:50,numbers:50}",
    "data.tokeniser.longest=30",
    "data.clients.sizes=[20,20]",
    "attack=[mail_membership,mail_evasion,mail_poison]",
    "attack.mail_membership={most_mails:20,shadows:{count:4}}",
    "attack.mail_evasion={budgets:[2,5],reference_budget:5,most_mails:10,ranking:{probes:1,candidates:20}}",
]
RNG = np.random.default_rng(0)


class FewMails:
    """Twenty-four mails whose words are plain, so that joining them changes no word."""

    def texts(self) -> list[str]:
        topics = ["agenda", "minutes", "budget", "lunch", "report", "holiday"]
        ham = [f"please read the {one} of {other}" for one in topics for other in topics if one < other]
        spam = [f"win a {one} prize now with {other}" for one in topics for other in topics if one > other]
        return [text for pair in zip(ham, spam, strict=True) for text in pair]

    def read(self, rng: np.random.Generator) -> RawMails:
        texts = self.texts()
        return RawMails.read(texts, [place % 2 for place in range(len(texts))], [])


@pytest.fixture
def mails(tmp_path: Path) -> Mails:
    data = MailData(FewMails(), Tokeniser(longest=20), UnequalClients(sizes=[2, 2]), (0.5, 0.1, 0.1, 0.3))
    (tmp_path / "prepared").mkdir()
    data.prepare(tmp_path / "prepared")
    return data.load(tmp_path / "prepared")


@pytest.fixture(autouse=True)
def own_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    register(Path(__file__).with_name("own_filters.py"), monkeypatch)
    monkeypatch.chdir(tmp_path)


def pipeline(labels: tuple[Any, Any] = (0, 1)) -> Any:
    texts = FewMails().texts()
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))
    return fitted.fit(texts, [labels[place % 2] for place in range(len(texts))])


def direct(fitted: Any, mails: Mails, column: int = 1) -> np.ndarray:
    """The probabilities of the test mails, from the original texts and without the bench."""
    by_words = {tuple(text.split()): text for text in FewMails().texts()}
    numbers = {
        number: word for word, number in zip(mails.lexicon, mails.vocabulary.to_numbers(mails.lexicon), strict=True)
    }
    texts = [by_words[tuple(numbers[int(number)] for number in mail if number)] for mail in mails.test.tokens]
    return np.asarray(fitted.predict_proba(texts)[:, column])


def test_a_saved_pipeline_gives_its_own_probabilities(mails: Mails, tmp_path: Path) -> None:
    fitted = pipeline()
    io.dump(fitted, "filter.skops")
    model = SavedFilter("filter.skops").fit(mails, RNG)
    np.testing.assert_allclose(model.score(mails.test.tokens), direct(fitted, mails), rtol=1e-9)
    model.save(tmp_path)
    back = load_trained_model(tmp_path)
    np.testing.assert_array_equal(back.score(mails.test.tokens), model.score(mails.test.tokens))  # type: ignore[attr-defined]


def test_the_class_of_spam_may_be_a_text_and_the_first(mails: Mails) -> None:
    fitted = pipeline(("wanted", "junk"))
    io.dump(fitted, "filter.skops")
    model = SavedFilter("filter.skops", spam="junk").fit(mails, RNG)
    np.testing.assert_allclose(model.score(mails.test.tokens), direct(fitted, mails, 0), rtol=1e-9)
    with pytest.raises(UserError, match=r"spam=1 is no class of filter\.skops; there are: junk, wanted"):
        SavedFilter("filter.skops").fit(mails, RNG)


def test_a_pickle_is_read_only_if_it_is_trusted_and_never_from_a_saved_model(
    mails: Mails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = pipeline()
    Path("filter.pkl").write_bytes(pickle.dumps(fitted))
    with pytest.raises(ValueError, match=r"filter\.pkl is a pickle, which runs code when it is read"):
        SavedFilter("filter.pkl")
    model = SavedFilter("filter.pkl", trust_pickle=True).fit(mails, RNG)
    model.save(tmp_path)

    def refuse(*args: Any, **settings: Any) -> None:
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    back = load_trained_model(tmp_path)
    np.testing.assert_allclose(back.score(mails.test.tokens), direct(fitted, mails), rtol=1e-9)  # type: ignore[attr-defined]


def test_types_of_registered_packages_alone_are_read(mails: Mails, monkeypatch: pytest.MonkeyPatch) -> None:
    io.dump(find_class("own_filters.Shouting", object)("prize"), "own.skops")
    model = SavedFilter("own.skops", spam="spam").fit(mails, RNG)
    np.testing.assert_allclose(model.score(mails.test.tokens), np.where(mails.test.labels == 1, 0.9, 0.2))
    register(Path("other.py"), monkeypatch)
    with pytest.raises(UserError, match=r"own\.skops holds own_filters\.Shouting, which is neither"):
        SavedFilter("own.skops").fit(mails, RNG)


@pytest.mark.parametrize("content", [b"", b"not a zip"])
def test_a_damaged_file_is_one_line(content: bytes, mails: Mails) -> None:
    Path("x.skops").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.skops cannot be read") as refused:
        SavedFilter("x.skops").fit(mails, RNG)
    assert "\n" not in str(refused.value)


STEPS = [
    {"sklearn.feature_extraction.text.TfidfVectorizer": None},
    {"sklearn.naive_bayes.MultinomialNB": {"alpha": 0.5}},
]


def test_estimators_are_fitted_to_the_training_mails(mails: Mails, tmp_path: Path) -> None:
    model = FittedFilter(STEPS).fit(mails, RNG)
    texts = model.texts(mails.train.tokens)
    assert set(texts) <= set(FewMails().texts())
    expected = make_pipeline(TfidfVectorizer(), MultinomialNB(alpha=0.5)).fit(texts, mails.train.labels)
    np.testing.assert_allclose(model.score(mails.test.tokens), direct(expected, mails), rtol=1e-9)
    model.save(tmp_path)
    back = load_trained_model(tmp_path)
    np.testing.assert_allclose(back.score(mails.test.tokens), model.score(mails.test.tokens))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["own_filters.Shouting", "own_filters.build"])
def test_a_class_or_a_function_of_one_s_own_builds_the_filter(name: str, mails: Mails, tmp_path: Path) -> None:
    model = FittedFilter([{name: None}]).fit(mails, RNG)
    assert ((model.score(mails.test.tokens) > 0.5) == (mails.test.labels == 1)).all()
    model.save(tmp_path)
    assert load_trained_model(tmp_path).logits(mails.test.tokens).shape == mails.test.labels.shape  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"os.system": None}], "os.system names nothing that can be imported"),
        ([{"sklearn.naive_bayes.MultinomialNB": {"beta": 1}}], "unknown argument beta=1"),
        ([{"sklearn.naive_bayes.MultinomialNB": None, "own_filters.build": None}], "must be one name"),
        ([{"sklearn.naive_bayes.MultinomialNB": None}], "MultinomialNB cannot be fitted to 15 training mails"),
    ],
)
def test_wrong_steps_are_one_line(steps: list[dict[str, Any]], said: str, mails: Mails) -> None:
    with pytest.raises((UserError, ValueError)) as refused:
        FittedFilter(steps).fit(mails, RNG)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_words_that_the_filter_cannot_see_are_counted(mails: Mails, tmp_path: Path) -> None:
    assert FittedFilter(STEPS).fit(mails, RNG).notes()[1:] == []
    data = MailData(FewMails(), Tokeniser(most_words=4), UnequalClients(sizes=[2, 2]), (0.5, 0.1, 0.1, 0.3))
    (tmp_path / "few").mkdir()
    data.prepare(tmp_path / "few")
    few = data.load(tmp_path / "few")
    used = len(set(few.vocabulary.to_numbers(few.lexicon)))
    (note,) = FittedFilter(STEPS).fit(few, RNG).notes()[1:]
    assert note.startswith(f"{len(few.lexicon) - used} of the corpus' {len(few.lexicon)} words are unknown")


@pytest.mark.parametrize("experiment", ["fitted_filter", "saved_filter"])
def test_all_stages_run_and_what_needs_a_federation_is_named(experiment: str, tmp_path: Path) -> None:
    fitted = make_pipeline(CountVectorizer(), LogisticRegression())
    words = ["meeting prize winner money", "report meeting lunch", "free money offer", "agenda for monday"] * 3
    io.dump(fitted.fit(words, [1, 0, 1, 0] * 3), "filter.skops")
    own = [] if experiment == "fitted_filter" else ["model.path=filter.skops", "attack=[mail_poison]"]
    job = Finished(tmp_path / "job", f"experiment={experiment}", *TINY[: 3 if own else None], *own)
    assert job.inapplicable().keys() == {"mail_poison"}
    tokens = load_file(job.folder / "prepared" / "mails.safetensors")
    score = job.model.score(tokens["test_tokens"])  # type: ignore[attr-defined]
    accuracy = float(((score > 0.5) == (tokens["test_labels"] == 1)).mean())
    assert job.found("evaluate")["filtering"]["metrics"]["accuracy"]["value"] == pytest.approx(accuracy)
    attacks = job.found("attack")
    assert all(attacks[name]["gain"] for name in attacks if name != "mail_poison")
