"""Tables in files: what is read, what is noted, and one line for everything that is wrong."""

from __future__ import annotations

import datetime
import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import OneHotEncoder

from veilbench.families.autoencoders.data.loaders.table_file import TableFile
from veilbench.families.autoencoders.data.raw import Raw, Source
from veilbench.families.autoencoders.data.rows import RowsData

Refusal = Callable[[Source], str]
Reading = Callable[[Source], Raw]
PLAIN = "a,b,kind\n1,2.5,x\n3,-4,y\n5,6,x\n"


def written(folder: Path, text: str, name: str = "table.csv") -> str:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(path)


@pytest.mark.parametrize("name", ["table.csv", "table.tsv", "table.csv.gz", "Table.CSV"])
def test_numbers_and_labels_are_read(name: str, tmp_path: Path, reading: Reading) -> None:
    text = PLAIN.replace(",", "\t") if "tsv" in name else PLAIN
    raw = reading(TableFile(written(tmp_path, text, name), "kind"))
    assert raw.x.tolist() == [[1, 2.5], [3, -4], [5, 6]]
    assert (raw.features, raw.labels, raw.y.tolist(), raw.notes) == (["a", "b"], ["x", "y"], [0, 1, 0], [])


def test_parquet_gives_the_same_rows_as_csv(tmp_path: Path, reading: Reading) -> None:
    frame = pd.DataFrame(
        {
            "real": [0.5, 1.5, -2.0],
            "whole": np.array([1, 2, 3], np.uint8),
            "true": [True, False, True],
            "text": ["u", "v", "u"],
            "kind": [10, 2, 10],
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.astype({"text": "category"}).to_parquet(tmp_path / "t.parquet")
    both = [reading(TableFile(str(tmp_path / name), "kind")) for name in ("t.csv", "t.parquet")]
    assert both[0].x.tolist() == both[1].x.tolist() == [[0.5, 1, 1, 1, 0], [1.5, 2, 0, 0, 1], [-2, 3, 1, 1, 0]]
    assert both[0].features == both[1].features == ["real", "whole", "true", "text=u", "text=v"]
    assert both[0].labels == both[1].labels == ["2", "10"]  # by value, not by letter
    assert both[0].y.tolist() == both[1].y.tolist() == [1, 0, 1]


def test_texts_are_coded_as_scikit_learn_codes_them(tmp_path: Path, reading: Reading) -> None:
    rng = np.random.default_rng(0)
    texts = rng.choice(["red", "green", "blue", "a b"], (50, 2))
    frame = pd.DataFrame(texts, columns=["one", "two"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    raw = reading(TableFile(str(tmp_path / "t.csv")))
    encoder = OneHotEncoder(sparse_output=False).fit(texts)
    assert np.array_equal(raw.x, encoder.transform(texts))
    assert raw.features[:2] == ["one=a b", "one=blue"]
    assert (raw.labels, set(raw.y.tolist())) == (["all"], {0})
    assert raw.notes[0] == "column one is a text: one column of 0 and 1 for each of its 4 values"


def test_too_many_texts_are_refused_with_the_limit(tmp_path: Path, refusal: Refusal, reading: Reading) -> None:
    path = written(tmp_path, "n,name\n" + "".join(f"{i},who{i}\n" for i in range(5)))
    said = refusal(TableFile(path, one_hot_most=4))
    assert "column name holds 5 different texts such as 'who0'; data.source.one_hot_most=4" in said
    assert reading(TableFile(path, one_hot_most=5)).x.shape == (5, 6)


HOLES = "a,b,c,kind\n1,2,u,x\n,4,v,x\n5,,u,y\n7,8,,y\n9,1,v,y\n"


def test_missing_values_are_counted_and_refused(tmp_path: Path, refusal: Refusal) -> None:
    said = refusal(TableFile(written(tmp_path, HOLES), "kind"))
    assert "3 values are missing, in 3 of 5 rows, first in column a; data.source.missing may be drop or median" in said


def test_rows_with_missing_values_can_be_left_out(tmp_path: Path, reading: Reading) -> None:
    raw = reading(TableFile(written(tmp_path, HOLES), "kind", "drop"))
    assert raw.x.tolist() == [[1, 2, 1, 0], [9, 1, 0, 1]]
    assert raw.y.tolist() == [0, 1]
    assert raw.notes[0] == "3 values are missing, in 3 of 5 rows: these rows are left out"


def test_medians_of_all_rows_can_stand_in_and_the_notes_say_so(tmp_path: Path, reading: Reading) -> None:
    raw = reading(TableFile(written(tmp_path, HOLES), "kind", "median"))
    assert raw.x.tolist() == [[1, 2, 1, 0], [6, 4, 0, 1], [5, 3, 1, 0], [7, 8, 0, 0], [9, 1, 0, 1]]
    assert "median over all rows, the test's too" in raw.notes[0]


@pytest.mark.parametrize(
    ("text", "missing", "said"),
    [
        ("a,b,kind\n1,2,x\n3,4,\n", "median", "1 labels are missing in column kind"),
        ("a,b,kind\n1,2,x\n3,4,\n", "error", "first in column kind"),
        ("a,b,kind\n1,,x\n3,,y\n", "median", "column b is empty and has no median"),
        ("a,b,kind\n1,,x\n3,,y\n", "drop", "data.source.missing=drop leaves no row"),
    ],
)
def test_what_no_policy_can_mend_is_refused(
    text: str, missing: str, said: str, tmp_path: Path, refusal: Refusal
) -> None:
    assert said in refusal(TableFile(written(tmp_path, text), "kind", missing))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; a first line with the names"),
        ("a,b\n", "has 0 rows and 2 columns: a, b; at least one row and two columns are needed"),
        ("a\n1\n2\n", "has 2 rows and 1 columns: a; at least"),
        ("a;b\n1;2\n", "1 columns: a;b; at least one row and two columns are needed, and data.source.separator"),
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 cells; the header has 2"),
        ("a,b,c\n1,2,3\n1,2\n", "line 3 has 2 cells; the header has 3"),
        ('a,b\n"x\ny",2\n1\n', "line 4 has 1 cells"),
        ("a,a\n1,2\n", "has 2 columns called a; one is allowed"),
        (",a\n0,2\n", "column 1 has no name"),
        ("1,2.5\n3,4\n", "begins with numbers"),
        ("a,b\n1,inf\n2,3\n", "1 values are not finite in float32; the first is inf in row 0, column b"),
        ("a,b\n1,1e39\n2,3\n", "the first is 1e+39 in row 0, column b"),
        ("a;b\n1;2,5\n", "line 2 has 2 cells; the header has 1; is data.source.separator another one?"),
        ("a,b\n1,2\n3, \n", "1 values are missing, in 1 of 2 rows, first in column b"),
        ("a,b\n1,NA \n3,1\n", "1 values are missing, in 1 of 2 rows, first in column b"),
        ("a, a\n1,2\n", "has 2 columns called a; one is allowed"),
        ("a, \n1,2\n", "column 2 has no name"),
    ],
)
def test_broken_tables_are_refused(text: str, said: str, tmp_path: Path, refusal: Refusal) -> None:
    assert said in refusal(TableFile(written(tmp_path, text)))


def test_blank_lines_and_a_byte_order_mark_do_no_harm(tmp_path: Path, reading: Reading) -> None:
    raw = reading(TableFile(written(tmp_path, "\ufeffa,b\n1,2\n\n3,4\n")))
    assert raw.features == ["a", "b"]
    assert raw.x.tolist() == [[1, 2], [3, 4]]


def test_a_missing_label_column_names_those_that_there_are(tmp_path: Path, refusal: Refusal) -> None:
    said = refusal(TableFile(written(tmp_path, PLAIN), "class"))
    assert said.endswith("has no column class; there are: a, b, kind")


def test_a_label_with_fractions_is_no_class(tmp_path: Path, refusal: Refusal) -> None:
    assert "column b does not hold classes but numbers such as 2.5" in refusal(TableFile(written(tmp_path, PLAIN), "b"))


def test_files_that_are_not_what_their_name_says_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "there is no such file" in refusal(TableFile(str(tmp_path / "none.csv")))
    assert "is a folder" in refusal(TableFile(str(tmp_path)))
    assert "must end in .csv, .csv.gz, .tsv, .tsv.gz or .parquet" in refusal(TableFile(written(tmp_path, "", "t.xls")))
    assert "cannot be read" in refusal(TableFile(written(tmp_path, PLAIN, "t.parquet")))
    (tmp_path / "t.csv.gz").write_bytes(b"no gzip")
    assert "cannot be read" in refusal(TableFile(str(tmp_path / "t.csv.gz")))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(PLAIN.encode())[:-12])
    assert "cannot be read" in refusal(TableFile(str(tmp_path / "cut.csv.gz")))
    (tmp_path / "latin.csv").write_bytes("ä,b\n1,2\n".encode("latin-1"))
    assert "cannot be read: 'utf-8' codec" in refusal(TableFile(str(tmp_path / "latin.csv")))


def test_a_date_is_no_number(tmp_path: Path, refusal: Refusal) -> None:
    frame = pd.DataFrame({"a": [1, 2], "day": [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2)]})
    frame.to_parquet(tmp_path / "t.parquet")
    assert "column day holds datetime64" in refusal(TableFile(str(tmp_path / "t.parquet")))


BEYOND = "has more digits than float64 holds"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["1000000000000000001", "2"], f"line 2: 1000000000000000001 in column id {BEYOND}"),
        (["7", "", "1000000000000000001"], f"line 4: 1000000000000000001 in column id {BEYOND}"),  # float64 by pandas
        (["7", "18446744073709551617"], f"line 3: 18446744073709551617 in column id {BEYOND}"),  # an object by pandas
        (["7", "n.a.", "18446744073709551617"], f"line 4: 18446744073709551617 in column id {BEYOND}"),
    ],
)
def test_whole_numbers_that_float64_rounds_are_refused_with_their_line(
    cells: list[str], said: str, tmp_path: Path, refusal: Refusal, reading: Reading
) -> None:
    text = "id,b\n" + "".join(f"{cell},{row}\n" for row, cell in enumerate(cells))
    source = TableFile(written(tmp_path, text), missing="drop", missing_words=["n.a."])
    assert said in refusal(source)
    exact = text.replace("0001,", "0000,").replace("617,", "616,")  # 10**18 and 2**64
    raw = reading(TableFile(written(tmp_path, exact), missing="drop", missing_words=["n.a."]))
    assert raw.x[:, 0].max() in (10**18, 2**64)


def test_large_numbers_in_parquet_are_refused_with_their_row(tmp_path: Path, refusal: Refusal) -> None:
    pd.DataFrame({"id": [1, 2**62 + 1], "b": [0, 1]}).to_parquet(tmp_path / "t.parquet")
    assert f"row 1: {2**62 + 1} in column id {BEYOND}" in refusal(TableFile(str(tmp_path / "t.parquet")))


def test_values_keep_every_digit_of_float64(tmp_path: Path, reading: Reading) -> None:
    x = np.random.default_rng(0).normal(5e6, 1, (200, 2))
    text = "a,b\n" + "".join(f"{float(a)!r},{float(b)!r}\n" for a, b in x)
    assert np.array_equal(reading(TableFile(written(tmp_path, text))).x, x)


def numbers_but(cell: str, at: int = 50, count: int = 200) -> str:
    return "a,b,y\n" + "".join(f"{i},{cell if i == at else i % 30},{i % 2}\n" for i in range(count))


@pytest.mark.parametrize("cell", ["n.a.", "?", "-", "12 kg", "1 000", "0x1F"])
def test_a_cell_that_is_no_number_is_named_with_its_line_and_the_remedies(
    cell: str, tmp_path: Path, refusal: Refusal, reading: Reading
) -> None:
    path = written(tmp_path, numbers_but(cell))
    said = refusal(TableFile(path, "y"))
    assert f"line 52: {cell!r} in column b is no number, as 199 cells of this column are" in said
    assert "data.source.missing_words" in said
    assert "data.source.texts" in said
    raw = reading(TableFile(path, "y", "drop", missing_words=[cell]))
    assert raw.x.tolist() == [[i, i % 30] for i in range(200) if i != 50]
    assert raw.notes == ["1 values are missing, in 1 of 200 rows: these rows are left out"]
    coded = reading(TableFile(path, "y", one_hot_most=31, texts=["b"]))
    assert coded.features == ["a", *(f"b={value}" for value in sorted({cell, *map(str, range(30))}))]


def test_the_line_of_a_cell_counts_blank_lines_and_breaks_within_quotes(tmp_path: Path, refusal: Refusal) -> None:
    text = 'a,b\n\n"x\ny",1\nz,2\n\nz,n.a.\nz,4\n'
    assert "line 7: 'n.a.' in column b is no number" in refusal(TableFile(written(tmp_path, text)))
    assert text.split("\n")[6] == "z,n.a."


def test_a_label_among_numbers_that_is_none_is_named(tmp_path: Path, refusal: Refusal, reading: Reading) -> None:
    text = "a,y\n1,0\n2,1\n3,?\n"
    assert "line 4: '?' in column y is no number" in refusal(TableFile(written(tmp_path, text), "y"))
    assert reading(TableFile(written(tmp_path, text), "y", texts=["y"])).labels == ["0", "1", "?"]


def test_truth_values_with_gaps_are_numbers(tmp_path: Path, reading: Reading) -> None:
    for true, false, gap in (("True", "False", ""), ("true", "FALSE", "NA "), ("TRUE", "false", "?")):
        text = f"a,b\n1,{true}\n2,{gap}\n3,{false}\n4,{true}\n"
        raw = reading(TableFile(written(tmp_path, text), missing="drop", missing_words=["?"]))
        assert (raw.x.tolist(), raw.features) == ([[1, 1], [3, 0], [4, 1]], ["a", "b"])


def test_blanks_around_labels_texts_and_names_are_left_out_and_noted(tmp_path: Path, reading: Reading) -> None:
    raw = reading(TableFile(written(tmp_path, "a, c , y\n1, u,yes \n2,v,yes\n3,u ,no\n4,\u00a0v,no\n"), " y"))
    assert (raw.features, raw.labels, raw.y.tolist()) == (["a", "c=u", "c=v"], ["no", "yes"], [1, 1, 0, 0])
    assert raw.x.tolist() == [[1, 1, 0], [2, 0, 1], [3, 1, 0], [4, 0, 1]]
    assert raw.notes[:2] == [
        "column c: whitespace around 3 texts was removed",
        "column y: whitespace around 1 texts was removed",
    ]


def test_texts_that_differ_in_case_alone_are_noted(tmp_path: Path, reading: Reading) -> None:
    raw = reading(TableFile(written(tmp_path, "a,c\n1,Red\n2,red\n")))
    assert "column c: the texts 'Red' and 'red' count as different ones" in raw.notes


@pytest.mark.parametrize("text", ["c,c=x,y\nx,0,0\nz,1,1\n", "c=x,c,y\n0,x,0\n1,z,1\n"])
def test_a_column_that_has_the_name_of_a_one_hot_column_is_refused(text: str, tmp_path: Path, refusal: Refusal) -> None:
    assert "a value of the text column c makes a second column c=x" in refusal(TableFile(written(tmp_path, text), "y"))


def test_two_text_columns_that_make_one_name_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "makes a second column a=b=c" in refusal(TableFile(written(tmp_path, "a,a=b\nb=c,c\nd,e\n")))


def test_other_separators_and_decimal_commas_can_be_set(tmp_path: Path, refusal: Refusal, reading: Reading) -> None:
    text = "a;b;c\n1,5;-0,25;u\n2,5;,75;v\n"
    path = written(tmp_path, text)
    raw = reading(TableFile(path, separator=";", decimal=","))
    assert raw.x.tolist() == [[1.5, -0.25, 1, 0], [2.5, 0.75, 0, 1]]
    said = refusal(TableFile(path, separator=";"))
    assert "line 2: '1,5' in column a looks like a number, but data.source.decimal is '.'" in said
    for wrong in (",", ";;", '"'):
        with pytest.raises(ValueError, match="separator="):
            TableFile(path, separator=wrong, decimal=",")


def test_objects_in_parquet_are_numbers_or_refused(tmp_path: Path, reading: Reading, refusal: Refusal) -> None:
    frame = pd.DataFrame({"price": [Decimal("1.25"), Decimal("-3.5")], "flag": [True, None], "n": [1, 2]})
    frame.to_parquet(tmp_path / "t.parquet")
    raw = reading(TableFile(str(tmp_path / "t.parquet"), missing="median"))
    assert raw.x.tolist() == [[1.25, 1, 1], [-3.5, 1, 2]]
    for cell, kind in ((b"x", "bytes"), ([1], "ndarray"), (datetime.date(2020, 1, 1), "date")):
        pd.DataFrame({"a": [1], "odd": [cell]}).to_parquet(tmp_path / "t.parquet")
        assert f"column odd holds {kind}; numbers or texts" in refusal(TableFile(str(tmp_path / "t.parquet")))


def test_a_minus_sign_is_one_however_it_is_written(tmp_path: Path, reading: Reading) -> None:
    raw = reading(TableFile(written(tmp_path, "a,b\n1,\N{MINUS SIGN}4\n2,3\n3,-5\n")))
    assert raw.x.tolist() == [[1, -4], [2, 3], [3, -5]]


def test_a_single_label_is_noted(tmp_path: Path, reading: Reading) -> None:
    raw = reading(TableFile(written(tmp_path, "a,y\n1,k\n2,k\n"), "y"))
    assert raw.notes[0].endswith("column y holds only the label k, so there is nothing to classify")


def test_a_column_of_texts_that_is_not_there_is_named(tmp_path: Path, refusal: Refusal) -> None:
    assert "has no column z; there are: a, b, kind" in refusal(TableFile(written(tmp_path, PLAIN), texts=["z"]))


def test_a_constant_column_is_noted_by_the_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "a,still\n" + "".join(f"{i},7\n" for i in range(20)))
    data = RowsData(TableFile(path))
    data.prepare(tmp_path)
    assert data.load(tmp_path).notes == ["1 columns are constant in the training rows: still"]
