from __future__ import annotations

import gzip
import json
import os
from email.message import EmailMessage
from pathlib import Path

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.loaders.decoding import Decoder
from veilbench.families.mail.data.loaders.enron_folders import EnronFolders
from veilbench.families.mail.data.loaders.mail_csv import MailCsv
from veilbench.families.mail.data.loaders.mail_folder import MailFolder, split_mails
from veilbench.families.mail.data.loaders.mail_jsonl import MailJsonl
from veilbench.families.mail.data.loaders.mail_parts import extract_text, strip_tags
from veilbench.families.mail.data.loaders.sms_spam_collection import SmsSpamCollection
from veilbench.families.mail.data.raw_mails import MailSource, RawMails
from veilbench.families.mail.data.tokeniser import split_words

SHARED = Path(os.environ.get("VEILBENCH_SHARED_DATA", Path(__file__).parents[5].parent / "shared" / "data"))


def read(source: MailSource) -> RawMails:
    return source.read(np.random.default_rng(0))


def text(raw: bytes) -> tuple[str, list[str]]:
    decoder = Decoder()
    return extract_text(raw, decoder), decoder.notes()


def test_enron_folders_at_any_depth(tmp_path: Path) -> None:
    for name, content in [
        ("enron1/ham/1.txt", b"Subject: gas\nhello"),
        ("enron1/spam/1.txt", b"Subject: win\n\xa350 now"),
        ("enron2/Ham/1.txt", "Grüße".encode()),
        ("enron2/Summary.txt", b"not a mail"),
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    raw = read(EnronFolders(str(tmp_path)))
    assert raw.texts == ["Subject: gas\nhello", "Subject: win\n£50 now", "Grüße"]
    assert raw.labels.tolist() == [0, 1, 0]
    assert raw.topics.tolist() == [0, 0, 1]
    assert raw.notes == ["1 parts that are not what their charset says, read as Windows-1252"]


@pytest.mark.parametrize("name", ["mails.jsonl", "mails.jsonl.gz"])
def test_jsonl_plain_and_gzipped(tmp_path: Path, name: str) -> None:
    lines = [
        {"text": "a", "label": 0, "set": "x"},
        {"text": "b\n\ud800", "label": "Spam", "set": "y"},
        {"text": "", "label": 1},
    ]
    content = "\n\n".join(map(json.dumps, lines)).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    raw = read(MailJsonl(str(tmp_path / name)))
    assert raw.texts == ["a", "b\n?", ""]
    assert (raw.labels.tolist(), raw.topics.tolist()) == ([0, 1, 1], [0, 1, 2])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"text": "a", "label": 0}\n{"text"', "line 2 is not JSON"),
        (b'{"text": "a"}', "line 1 is not an object with the keys text and label"),
        (b"[1]", "line 1 is not an object"),
        (b'{"text": "a", "label": 2}', "line 1: label 2 is not one of ham"),
    ],
)
def test_jsonl_that_cannot_be_used_is_named_by_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "m.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=said):
        read(MailJsonl(str(tmp_path / "m.jsonl")))


def test_a_damaged_gzip_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a", "label": 0}' * 50)[:-12])
    with pytest.raises(UserError, match="is a damaged gzip file"):
        read(MailJsonl(str(tmp_path / "m.jsonl.gz")))


def test_the_sms_collection(tmp_path: Path) -> None:
    (tmp_path / "sms").write_bytes("ham\tOk lar\tthen\nspam\tWIN £100\n\n".encode())
    raw = read(SmsSpamCollection(str(tmp_path / "sms")))
    assert (raw.texts, raw.labels.tolist()) == (["Ok lar\tthen", "WIN £100"], [0, 1])
    (tmp_path / "sms").write_bytes(b"ham Ok lar")
    with pytest.raises(UserError, match="line 1 has no tab"):
        read(SmsSpamCollection(str(tmp_path / "sms")))


def test_csv_with_quotes_breaks_and_a_byte_order_mark(tmp_path: Path) -> None:
    content = '\ufefftext,label\n"a, ""b""\nc",ham\n' + "x" * 200_000 + ",1\nmissing,\n"
    (tmp_path / "m.csv").write_text(content.replace("missing,\n", ",spam\n"), encoding="utf8")
    raw = read(MailCsv(str(tmp_path / "m.csv")))
    assert raw.texts == ['a, "b"\nc', "x" * 200_000, ""]
    assert raw.labels.tolist() == [0, 1, 1]
    (tmp_path / "m.csv").write_text(content, encoding="utf8")
    with pytest.raises(UserError, match=r"line 5: label '' is not one of"):
        read(MailCsv(str(tmp_path / "m.csv")))
    with pytest.raises(UserError, match="has no column body; there are: text, label"):
        read(MailCsv(str(tmp_path / "m.csv"), text="body"))


def eml(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in headers.items():
        message[name] = value
    return message


def test_a_mail_with_a_plain_and_an_html_alternative_and_an_attachment() -> None:
    message = eml(Subject="Grüße aus Köln", From="a@b.c")
    message.set_content("plain ünïcode body", charset="iso-8859-1")
    message.add_alternative("<p>html body</p>", subtype="html")
    message.add_attachment(b"secret", maintype="application", subtype="pdf", filename="x.pdf")
    found, notes = text(message.as_bytes())
    assert split_words(found) == ["grüße", "aus", "köln", "plain", "ünïcode", "body"]
    assert notes == ["1 attachments left out"]


def test_of_html_only_what_is_seen_is_left() -> None:
    message = eml(Subject="hi")
    html = """<html><head><title>no</title><style>p {color: red}</style></head><body>V<b>ia</b>gra&nbsp;&pound;5<br>now
    <!-- hidden --><script>var x = 1</script></body></html>"""
    message.set_content(html, subtype="html")
    assert split_words(text(message.as_bytes())[0]) == ["hi", "viagra", "£", "5", "now"]


@pytest.mark.parametrize(
    "html", ["<![foo bar]> text <b>here</b>", "text here <", "<p text='", "<!DOCTYPE [<!x", "<script>a"]
)
def test_malformed_html_never_stops_the_reading(html: str) -> None:
    assert isinstance(strip_tags(html), str)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", []),
        (b"Subject: =?utf-8?b?!!!?=\n\nbody", ["body"]),
        (b"Subject: =?nonesuch?q?caf=E9?=\n\nbody", ["café", "body"]),
        (b"no header at all\njust text", ["just", "text"]),
        (b"Content-Type: text/plain; charset=nonesuch\n\ncaf\xe9", ["café"]),
        (b"Content-Type: text/plain; charset=us-ascii\n\ncaf\xc3\xa9", ["café"]),
        (b"Content-Type: multipart/mixed\n\nno boundary", ["no", "boundary"]),
        (b"Content-Type: multipart/mixed; boundary=x\n\nnowhere to be found", ["nowhere", "found"]),
        (b"Content-Transfer-Encoding: base64 \n\nd29yZHMgaGVyZQ==", ["words", "here"]),
        (b"Content-Transfer-Encoding: base64\n\nd29yZHMgaGVyZSBhbmQgdGhlcmUuA", ["words", "here", "and", "there"]),
        (b"Content-Transfer-Encoding: base64\n\nd29y*ZHMg\n>aGVyZQ", ["words", "here"]),
        (b"Content-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9 =ZZ odd= \nend=", ["café", "odd", "end"]),
        (b"Subject: =?euc-kr?b?vsiz58fPvLy/5CCMY7nm?=\n\nx", ["안녕하세요", "똠방"]),
        (b"Subject: \xbe\xc8\xb3\xe7\nContent-Type: text/plain; charset=euc-kr\n\nx", ["안녕"]),
        (b"Content-Type: text/html\n\n<meta charset='gb2312'><p>\xd6\xd0\xce\xc4", ["中文"]),
        (b"Content-Type: text/html\n\n<META content='text/html; charset=koi8-r'>\xd0\xd2\xc9\xd7\xc5\xd4", ["привет"]),
        (
            b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nnever closed",
            ["never", "closed"],
        ),
        (b"Content-Transfer-Encoding: base64\n\nnot*base64*at=all", []),
        (b"Subject: a\nSubject\xff: \xfe\nContent-Type: ;;;=\n\nbody", ["body"]),
    ],
)
def test_broken_mails_are_read_as_far_as_they_go(raw: bytes, words: list[str]) -> None:
    assert set(words) <= set(split_words(text(raw)[0]))


def test_a_mail_without_the_boundary_of_its_parts_is_read_as_plain_text_and_noted() -> None:
    found, notes = text(b"Subject: offer\nContent-Type: multipart/mixed\n\ncheap watches today\n")
    assert split_words(found) == ["offer", "cheap", "watches", "today"]
    assert "1 parts that should hold others, but have no boundary, read as plain text" in notes


def test_damage_within_a_part_and_an_unknown_transfer_encoding_are_noted() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Transfer-Encoding: %s\n\nd29yZHMa\n--x--\n"
    assert text(inner % b"base64")[1] == []
    damaged = inner.replace(b"d29yZHMa", b"d29y*ZHMa")
    assert text(damaged % b"base64")[1] == ["1 mails with broken headers or parts, read as far as they go"]
    assert text(inner % b"gzip")[1] == ["1 parts in an unknown transfer encoding, read as they are"]


MARKED = "From: a@b.c\nSubject: größe\nContent-Type: text/plain; charset=iso-8859-1\n\nwörter hier\n"


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mbox", [False, True])
def test_a_file_with_a_byte_order_mark_is_read_by_it(codec: str, mbox: bool, tmp_path: Path) -> None:
    (tmp_path / "spam").mkdir()
    content = "".join(f"From someone\n{MARKED}\n" for _ in range(2)) if mbox else MARKED
    (tmp_path / "spam" / "1.eml").write_bytes(content.encode(codec))
    raw = read(MailFolder(str(tmp_path)))
    assert [split_words(text) for text in raw.texts] == [["größe", "wörter", "hier"]] * (2 if mbox else 1)
    assert raw.notes == ([] if codec == "utf-8-sig" else ["1 files in UTF-16 or UTF-32"])


def test_coded_parts_of_a_file_with_a_mark_keep_their_charset(tmp_path: Path) -> None:
    (tmp_path / "ham").mkdir()
    mail = MARKED.replace("\n\nwörter hier", "\nContent-Transfer-Encoding: quoted-printable\n\nw=F6rter hier")
    (tmp_path / "ham" / "1.eml").write_bytes(mail.encode("utf-16"))
    assert split_words(read(MailFolder(str(tmp_path))).texts[0]) == ["größe", "wörter", "hier"]


@pytest.mark.parametrize("source", [MailFolder, EnronFolders])
def test_files_that_are_no_mails_are_left_out_and_counted(
    source: type[EnronFolders] | type[MailFolder], tmp_path: Path
) -> None:
    for name, content in [
        ("a.eml", b"Subject: hello\n\nbody"),
        (".DS_Store", b"\0\0\0\1Bud1"),
        ("b.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("c.eml.gz", gzip.compress(b"Subject: hello")),
        ("d.zip", b"PK\x03\x04"),
    ]:
        (tmp_path / "ham").mkdir(exist_ok=True)
        (tmp_path / "ham" / name).write_bytes(content)
    raw = read(source(str(tmp_path)))
    assert len(raw.texts) == len(raw.labels) == len(raw.topics) == 1
    assert raw.notes == [
        "1 files left out that are no text: .gz",
        "1 files left out that are no text: .msg",
        "1 files left out that are no text: .zip",
        "1 files left out whose names begin with a dot",
    ]


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_marks_of_files_of_lines(codec: str, tmp_path: Path) -> None:
    (tmp_path / "sms").write_bytes("ham\tgrüße\nspam\twin\n".encode(codec))
    assert read(SmsSpamCollection(str(tmp_path / "sms"))).texts == ["grüße", "win"]
    (tmp_path / "m.csv").write_bytes('text,label\n"größe",ham\n'.encode(codec))
    assert read(MailCsv(str(tmp_path / "m.csv"))).texts == ["größe"]
    (tmp_path / "m.jsonl").write_bytes('{"text": "größe", "label": 0}\n'.encode(codec))
    if codec == "utf-8-sig":
        assert read(MailJsonl(str(tmp_path / "m.jsonl"))).texts == ["größe"]
        return
    with pytest.raises(UserError, match="is in UTF-16 or UTF-32; save it in UTF-8"):
        read(MailJsonl(str(tmp_path / "m.jsonl")))


def test_csv_cells_that_have_no_column_are_not_lost_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("label,text,\nham,hello,\nspam,buy, now\n")
    raw = read(MailCsv(str(path)))
    assert (raw.texts, raw.notes) == (["hello", "buy"], ["1 texts in columns without a name left out"])
    for content, said in [
        (
            "label,text\nham,hello\nspam,buy, now\n",
            r"line 3 has more cells than the header; is a text with , unquoted\?",
        ),
        ("label,text,text\nham,a,b\n", "has 2 columns called text; there are: label, text, text"),
        ("label,text\nham,a\rb,c\n", "line 3: label 'b' is not one of"),
    ]:
        path.write_bytes(content.encode())
        with pytest.raises(UserError, match=said):
            read(MailCsv(str(path)))


def test_mails_nested_beyond_reason_are_survived() -> None:
    raw = (
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(3_000)) + b"\n\nend"
    )
    assert isinstance(text(raw)[0], str)


def test_a_mail_of_ten_megabytes_is_cut_and_counted() -> None:
    found, notes = text(b"Subject: big\n\n" + b"word " * 2_000_000)
    assert 900_000 < len(found) <= 1_000_000
    assert notes == ["1 mails cut to their first 1,000,000 bytes"]


def test_a_cut_within_a_character_loses_that_character_alone() -> None:
    assert Decoder(3).decode("aéé".encode()) == "aé"
    assert Decoder(4).decode("aéé".encode()) == "aé"


def test_folders_of_eml_and_mbox_files(tmp_path: Path) -> None:
    (tmp_path / "spam").mkdir()
    (tmp_path / "spam" / "1.eml").write_bytes(b"Subject: one\n\nwin")
    (tmp_path / "readme.txt").write_bytes(b"nothing")
    box = b"From a@b Thu Jan 1\nSubject: two\n\nhi\n>From here\n\nFrom c@d Thu Jan 1\r\nSubject: three\r\n\r\nho\r\n"
    (tmp_path / "ham.mbox").write_bytes(box)
    raw = read(MailFolder(str(tmp_path)))
    assert [split_words(t) for t in raw.texts] == [["two", "hi", "from", "here"], ["three", "ho"], ["one", "win"]]
    assert raw.labels.tolist() == [0, 0, 1]
    assert raw.notes == ["1 files left out: neither ham nor spam is in their path"]


def test_an_mbox_is_split_as_pythons_own_reader_does(tmp_path: Path) -> None:
    import mailbox

    path = tmp_path / "box"
    box = mailbox.mbox(path)
    for i in range(5):
        message = eml(Subject=f"mail {i}")
        message.set_content(f"From the start of a line\nbody {i}\n")
        box.add(message)
    box.close()
    wanted = [str(message["subject"]) for message in mailbox.mbox(path)]
    found = [text(raw)[0].partition("\n")[0] for raw in split_mails(path.read_bytes())]
    assert found == wanted
    assert len(found) == 5


@pytest.mark.parametrize("source", [EnronFolders("nowhere"), MailFolder("nowhere")])
def test_a_folder_that_is_not_there(source: MailSource) -> None:
    with pytest.raises(UserError, match=r"source.path=nowhere is not a folder"):
        read(source)


@pytest.mark.parametrize("source", [EnronFolders, MailFolder])
def test_a_folder_without_mails(source: type[EnronFolders], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ham"):
        read(source(str(tmp_path)))


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        (SmsSpamCollection(str(SHARED / "sms_spam" / "SMSSpamCollection")), [4_827, 747]),
        (MailJsonl(str(SHARED / "enron" / "enron12.jsonl.gz")), [7_840, 2_959]),
    ],
)
def test_the_real_collections_have_their_published_sizes(source: MailSource, counts: list[int]) -> None:
    if not Path(source.path).is_file():  # type: ignore[attr-defined]
        pytest.skip(f"the real data is not at {SHARED}")
    assert np.bincount(read(source).labels).tolist() == counts


@pytest.mark.parametrize(
    ("source", "content"), [(SmsSpamCollection, b"\n"), (MailCsv, b"text,label\n"), (MailJsonl, b"")]
)
def test_a_file_without_mails_is_refused(source: type[MailCsv], content: bytes, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(content)
    with pytest.raises(UserError, match=r"source\.path=.*empty holds no m"):
        read(source(str(tmp_path / "empty")))
    with pytest.raises(UserError, match=r"source\.path=nowhere is not a file"):
        read(source("nowhere"))
