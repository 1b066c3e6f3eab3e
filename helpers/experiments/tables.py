"""`table`: the reader's own data as a problem.

Whatever a network cannot be given is refused with a sentence that says what it is and what to do. The small functions below
are printed in the Keras program as they stand here.
"""

import csv
import datetime
import decimal
import inspect
import numbers
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from .catalog import TASKS, did_you_mean
from .problems import best_reference
from .sources import FEWEST_ROWS, Table

MOST_ROWS = 10_000
MOST_COLUMNS = 50
MOST_INPUTS = 200  # after each category has become an input
MOST_CATEGORIES = 50  # of one column
MOST_CLASSES = 20
FEW_NUMBERS = 10  # whole numbers that may be the numbers of classes
LARGEST = 1e18  # its square is within the range of float32
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?([T ]\d.*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( \d.*)?|\d{1,2}:\d{2}(:\d{2})?"
    r"|(?=.*\d)(.*[\d ,])?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[ ,\d].*",
    re.IGNORECASE,
)


class TableError(ValueError):
    """What cannot be used of a table, and what to do, in a sentence; a notebook shows that sentence alone."""

    def _render_traceback_(self):
        return [f"TableError: {self}"]


def table(data, y=None, *, target=None, task=None, columns=None, along=None):
    """The reader's own data as a problem: `Experiment(problem=table(df, target="price"))`.

    Up to 10,000 rows and 50 columns. Numbers stay as they are, True is 1, each category becomes an input of its own. A value
    that is missing stays missing: the field `imputation` of the experiment says what is done about it. Rows without a target
    are left out. A quarter of the rows is kept for validation, the same ones for every seed; among the classes in proportion.
    Skill is measured against the best of three models of scikit-learn, trained on all of the training rows.
    The data stay on this machine: a shared setting names the table by a number only.

    Args:
        data: a DataFrame, the path of a CSV file with a line of names, or the inputs: (rows,) or (rows, inputs) numbers.
        y: the targets of inputs that are given as arrays, (rows,) or (rows, 1): numbers, or names of classes.
        target: the name of the column that is to be predicted; for arrays what to call it.
        task: "regression", "binary" (two classes) or "multiclass"; recognised if None. Text, True and False, two different
            values, and up to ten whole numbers that count from 0 or 1 are read as classes.
        columns: the names of the inputs; all columns but the target if None.
        along: the name of an input; the lab then draws the fit along it, all others at their median. If None, a table with
            more than two inputs is drawn as predictions against true values.

    Returns:
        A `Table`. What was recognised is shown by displaying it, and stands in its `text`.

    Raises:
        TableError: a ValueError with a sentence that says what cannot be used, and what to do.

    A DataFrame and a target:

    >>> cars = table(df, target="price")
    >>> Lab(Experiment(problem=cars, scaling="standard", target_scaling="standard"))

    A CSV file:

    >>> cars = table("cars.csv", target="mpg", columns=["weight", "year"])
    >>> train(Experiment(problem=cars, scaling="standard")).verdict

    Inputs and targets, with which a Keras model is trained:

    >>> t = table(x, y, task="binary")
    >>> train_seeds(Experiment(problem=t), 20).verdict
    """
    if task is not None and task not in TASKS:
        raise TableError(f"task={_brief(task)} is not one of {', '.join(TASKS)}.{did_you_mean(task, TASKS)}")
    given = _given(data, target) if y is None else _given_arrays(data, y, target)
    inputs = _inputs(given, columns)
    known = ~given.frame[given.target].isna().to_numpy()
    if not known.any():
        raise TableError(f"The target {_name(given.target)} is empty: there is nothing to learn from.")
    frame = given.frame[known]
    y, task, classes, why = _targets(given.target, frame[given.target], task)
    read = sorted([_read(label, frame[label]) for label in inputs], key=lambda column: bool(column.categories))
    x = np.hstack([column.values for column in read])
    features = [name for column in read for name in column.names]
    if len(features) > MOST_INPUTS:
        raise TableError(
            f"{given.name} makes {len(features)} inputs, one for each category, and {MOST_INPUTS} are allowed. "
            "Leave out columns with many categories: name the inputs that you want with columns=[…]."
        )
    _check_rows(given, y, task, classes)
    made = Table(
        given.name, x, y,
        features=features, target=_title(given.target), task=task, classes=[_title(name) for name in classes],
        text=_text(given, x, read, task, why, int((~known).sum())),
        code=_code(given, read, classes, not known.all()), uses_pandas=given.uses_pandas,
        along=_along(along, read),
    )  # fmt: skip
    # It takes up to half a second, which the first picture of a lab need not wait for then.
    best_reference(made, made.source.split, made.source.imputation == "drop")
    return made


# --- what was given --------------------------------------------------------------------------------------------------------


class _Given(NamedTuple):
    """What was given, as a DataFrame. code: lines of Python that make it, or say where it comes from.

    as_arrays: whether the program goes on with x and y, else with df.
    """

    name: str
    frame: pd.DataFrame
    target: object
    code: str
    as_arrays: bool = False
    uses_pandas: bool = False


def _given(data, target):
    if isinstance(data, (str, os.PathLike)):
        name, frame, code = _read_csv(data)
        sample = f"table(pd.read_csv({_written(name)}).sample({MOST_ROWS}, random_state=0), target=…)"
        _check_size(name, frame, sample, f"more than {MOST_ROWS:,}")
        return _Given(name, frame, _find(target, frame, name), code, uses_pandas=True)
    if hasattr(data, "to_pandas"):
        data = _attempt(data.to_pandas, f"data={_brief(data)} cannot be turned into a pandas DataFrame")
    elif isinstance(data, dict):
        data = _attempt(lambda: pd.DataFrame(data), "This dictionary is not a table with columns of one length")
    if not isinstance(data, pd.DataFrame):
        raise TableError(
            f"data={_brief(data)} is not a table. Give a DataFrame and a target, table(df, target='price'), the path of a CSV "
            "file, table('cars.csv', target='price'), or inputs and targets, table(x, y)."
        )
    _check_size("df", data, f"table(df.sample({MOST_ROWS}, random_state=0), target=…)")
    label = _find(target, data, "df")
    comment = f"# df: your DataFrame, as you gave it to table(df, target={_written(label)}). Load it here."
    return _Given("df", data, label, comment)


def _read_csv(path):
    """The name of a CSV file, its rows as a DataFrame, and the line that reads it."""
    text = os.fspath(path)
    if re.match(r"[a-z]+://", str(text)):
        raise TableError(f"{_brief(text)} is a web address. Download the file, and give its path.")
    path = _attempt(lambda: Path(text).expanduser().resolve(), f"{_brief(text)} is not the path of a file")
    if path.is_dir():
        raise TableError(f"{_brief(text)} is a folder. Give the path of a CSV file.")
    if not _attempt(path.is_file, f"{_brief(text)} is not the path of a file"):
        near = sorted(one.name for one in path.parent.glob("*.csv")) if path.parent.is_dir() else []
        raise TableError(f"There is no file {_brief(str(path))}.{did_you_mean(path.name, near, cutoff=0.6)}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
        separator = max(",;\t|", key=header.count)
        names = next(csv.reader([header], delimiter=separator), [])
        _check_names(path.name, names)
        frame = pd.read_csv(path, nrows=MOST_ROWS + 1, sep=separator)
    except UnicodeDecodeError:
        raise TableError(
            f"{path.name} is not a text file in UTF-8. Export it as CSV, UTF-8, or read it with pandas and give the DataFrame."
        ) from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, csv.Error, OSError) as error:
        raise TableError(f"{path.name} cannot be read as a CSV file: {_brief_error(error)}.") from None
    sep = "" if separator == "," else f", sep={_written(separator)}"
    return path.name, frame, f"df = pd.read_csv({_written(path.as_posix())}{sep})"


def _given_arrays(x, y, target):
    """Inputs and targets as a DataFrame whose last column is the target."""
    if isinstance(y, str):
        raise TableError(f"y={_brief(y)} is a text. The name of the column to be predicted is target={_brief(y)}.")
    if isinstance(x, (str, os.PathLike)):
        raise TableError("A CSV file has its targets in a column: table('cars.csv', target='price'), without y.")
    y = _array("y", y)
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] != 1):
        hint = " If each row has a 1 for its class, give y.argmax(axis=1)." if y.ndim == 2 else ""
        raise TableError(
            f"y has the shape {y.shape}, and one target for each row is needed: (rows,) or (rows, 1).{hint}"
        )
    if y.ndim == 0:
        raise TableError(f"y={_brief(y.item())} is a single value, and one target for each row is needed.")
    framed = isinstance(x, pd.DataFrame)
    frame = x.copy(deep=False) if framed else _frame_of(_array("x", x))
    if len(frame) != len(y):
        raise TableError(f"x has {len(frame):,} rows and y has {len(y):,}: one target for each row is needed.")
    _check_size(
        "x", frame, f"rows = np.random.default_rng(0).choice(len(x), {MOST_ROWS}, replace=False), then x[rows], y[rows]"
    )
    target = "y" if target is None else target
    if target in frame.columns:
        raise TableError(f"target={_brief(target)} is the name of an input, too. Call the target something else.")
    values = pd.Series(y.reshape(-1), index=frame.index)
    frame[target] = values.infer_objects()
    comment = "# x, y: the inputs and targets, as you gave them to table(x, y). Load them here."
    if framed:
        return _Given("x, y", frame, target, f"{comment}\ndf = x.copy()\ndf[{_written(target)}] = np.ravel(y)")
    return _Given("x, y", frame, target, comment, as_arrays=True)


def _array(name, values):
    """What was given as x or y as an array of numbers or objects."""
    if type(values).__module__.startswith("scipy.sparse"):
        raise TableError(f"{name} is sparse. Give {name}.toarray().")
    what = f"{name} cannot be turned into an array: give rows of equal length"
    if isinstance(values, np.ma.MaskedArray):
        raise TableError(f"{name} is a masked array. Give {name}.astype(float).filled(np.nan).")
    array = _attempt(lambda: np.asarray(values), what)
    if isinstance(values, (list, tuple)) and array.dtype.kind in "US":
        array = _attempt(lambda: np.array(values, object), what)  # NumPy would turn numbers next to text into text
    return array


def _frame_of(x):
    if x.ndim not in (1, 2):
        raise TableError(
            f"x has the shape {x.shape}, and rows of inputs are needed: (rows, inputs). Images and series do not fit into a table."
        )
    x = x[:, None] if x.ndim == 1 else x
    if x.dtype.kind not in "biuf":
        word, example = _described(pd.Series(x.reshape(-1)).dropna())
        if word != "numbers":
            raise TableError(
                f"x holds {word}, such as {example}, and an array of inputs must hold numbers. For categories, give a DataFrame."
            )
        x = _attempt(lambda: x.astype(float), "x cannot be read as numbers")
    width = x.shape[1]
    return pd.DataFrame(x, columns=["x"] if width == 1 else [f"x{number}" for number in range(1, width + 1)])


def _attempt(action, what):
    """What an action returns; TableError that begins with `what` if it fails."""
    try:
        return action()
    except Exception as error:  # of a library that was given something it does not know
        raise TableError(f"{what}: {_brief_error(error)}.") from None


def _check_size(name, frame, sample, count=None):
    """TableError for what is no table, or too long; sample: how to make it shorter. count: the number of rows in words."""
    if len(frame) > MOST_ROWS:
        raise TableError(
            f"{name} has {count or format(len(frame), ',')} rows, and {MOST_ROWS:,} are allowed. Take a sample: {sample}."
        )
    if frame.columns.nlevels > 1:
        raise TableError(f"{name} has names of several levels. Give each column one name.")
    _check_names(name, list(frame.columns))
    if truths := [label for label in frame.columns if isinstance(label, (bool, np.bool_))]:
        raise TableError(f"{name} has a column whose name is the truth value {truths[0]}. Give it a name that is text.")
    if not len(frame.columns) or not len(frame):
        raise TableError(f"{name} is empty: it has {len(frame):,} rows and {len(frame.columns)} columns.")


def _check_names(where, names):
    names = pd.Series([str(name) for name in names], dtype=object)
    for name in names[names.duplicated()]:
        raise TableError(f"{where} has two columns that are called {_name(name)}. Give each column a name of its own.")


def _find(target, frame, where):
    """The label of the column to be predicted."""
    names = ", ".join(_name(name) for name in list(frame.columns)[:12]) + (", …" if len(frame.columns) > 12 else "")
    if target is None:
        raise TableError(f"Which column is to be predicted? Give target=…, one of {names}.")
    return _label(
        target, list(frame.columns), f"target={_brief(target)} is not a column of {where}, which has {names}."
    )


def _label(name, labels, refused):
    for label in labels:
        if str(label) == str(name):
            return label
    raise TableError(refused + did_you_mean(name, [str(label) for label in labels], cutoff=0.4))


def _inputs(given, columns):
    """The labels of the columns that are inputs."""
    others = [label for label in given.frame.columns if str(label) != str(given.target)]
    if columns is not None:
        asked = [columns] if isinstance(columns, str) else columns
        if not isinstance(asked, (list, tuple)):
            raise TableError(f"columns={_brief(columns)} is not a list of names, such as columns=['weight', 'year'].")
        if str(given.target) in map(str, asked):
            raise TableError(f"columns=… names the target {_name(given.target)}, too: it would predict itself.")
        _check_names("columns=…", asked)
        others = [_label(name, others, f"columns=… names {_brief(name)}, which is not there.") for name in asked]
    if not others:
        raise TableError(f"{given.name} has no inputs: {_name(given.target)} is the only column.")
    if len(others) > MOST_COLUMNS:
        raise TableError(
            f"{given.name} has {len(others):,} columns of inputs, and {MOST_COLUMNS} are allowed. Name those that you want with "
            "columns=[…]."
        )
    return others


def _check_rows(given, y, task, classes):
    """TableError if there are too few rows to split them into two parts that both have every class."""
    least = FEWEST_ROWS if task == "regression" else max(FEWEST_ROWS, 4 * len(classes))
    if len(y) < least:
        why = "a quarter of them is for validation" if least == FEWEST_ROWS else f"there are {len(classes)} classes"
        rows = "1 row" if len(y) == 1 else f"{len(y)} rows"
        raise TableError(f"{given.name} has {rows} with a target, and at least {least} are needed, because {why}.")
    if task != "regression":
        rows = np.bincount(y[:, 0].astype(int), minlength=len(classes))
        if rows.min() < 2:
            raise TableError(
                f"Only one row is of the class {_name(classes[rows.argmin()])} of {_name(given.target)}, and each class needs 2, "
                "one of them for validation. Leave that row out, or put classes together."
            )


# --- what a column holds ---------------------------------------------------------------------------------------------------


class _Column(NamedTuple):
    """A column as inputs: values (rows, inputs) and their names. categories: what each input stands for; none of numbers."""

    label: object
    values: np.ndarray
    names: tuple
    categories: tuple = ()


def _read(label, cells):
    """What a column gives the network."""
    present = cells[~cells.isna()]
    if not len(present):
        raise TableError(
            f"The column {_name(label)} is empty. Leave it out: name the inputs that you want with columns=[…]."
        )
    if _kind(label, present) == "numbers":
        return _Column(label, _floats(label, cells)[:, None], (_title(label),))
    categories = tuple(_sorted(present))
    if len(categories) > MOST_CATEGORIES:
        _refuse_many(
            label,
            categories,
            f"more than {MOST_CATEGORIES}, and each would become an input",
            "leave the column out: name the inputs that you want with columns=[…]",
        )
    names = tuple(f"{_title(label)}={_title(category)}" for category in categories)
    return _Column(label, one_hot(cells, list(categories)), names, categories)


def _kind(label, present, what="column"):
    """ "numbers" or "categories"; TableError for anything else. present: the cells that are not missing."""
    dtype = present.dtype
    categorical = isinstance(dtype, pd.CategoricalDtype)
    word, example = _described(pd.Series(dtype.categories) if categorical else present)
    where = f"The {what} {_name(label)} holds"
    if word == "text" and all(DATE.fullmatch(str(cell).strip()) for cell in present.unique()[:200]):
        word = "dates"
    if word == "dates":
        raise TableError(
            f"{where} dates, such as {example}, and a network needs numbers. Make numbers of them, such as the month or the "
            "days since the first one, or leave the column out: name the inputs that you want with columns=[…]."
        )
    if word not in ("numbers", "text"):
        raise TableError(
            f"{where} {word}, such as {example}. It must hold numbers, or text for categories. Correct it, or leave it out: name "
            "the inputs that you want with columns=[…]."
        )
    return "categories" if categorical or word == "text" else "numbers"


def _described(cells):
    """What cells hold, in a word or two, and an example of the rarest kind."""
    if cells.dtype != object and len(cells):
        return _word(cells.iloc[0]), _brief(cells.iloc[0])
    words = [_word(cell) for cell in cells]
    counts = pd.Series(words, dtype=object).value_counts()
    example = _brief(cells.iloc[words.index(counts.index[-1])]) if words else "nothing"
    kinds = " and ".join(sorted(counts.index))
    return kinds if len(counts) < 2 else f"both {kinds}", example


def _word(value):
    if isinstance(value, str):
        return "text"
    if isinstance(value, (bool, np.bool_, numbers.Real, decimal.Decimal)):
        return "numbers"
    if isinstance(value, (datetime.date, datetime.time, np.datetime64, pd.Period)):
        return "dates"
    if isinstance(value, (datetime.timedelta, np.timedelta64)):
        return "durations"
    if isinstance(value, numbers.Complex):
        return "complex numbers"
    return f"values of the type {type(value).__name__}"


def _floats(label, cells):
    """A column of numbers (rows,) float64, NaN where a value is missing."""
    values = _attempt(
        lambda: cells.to_numpy(float, na_value=np.nan).copy(), f"The column {_name(label)} cannot be read as numbers"
    )
    if np.isinf(values).any():
        raise TableError(
            f"The column {_name(label)} holds {int(np.isinf(values).sum())} infinite values. Replace them, for example by NaN: "
            "df.replace([np.inf, -np.inf], np.nan)."
        )
    largest = np.nanmax(np.abs(values), initial=0.0)
    if largest > LARGEST:
        raise TableError(
            f"The column {_name(label)} has values up to {largest:.3g}, and {LARGEST:g} is the largest that a network can "
            "calculate with. Divide the column by a constant."
        )
    return values


def _sorted(present):
    """The different values of cells; text in the order of the alphabet, what has an order of its own in that."""
    values = [value.item() if isinstance(value, np.generic) else value for value in present.unique()]
    return sorted(values, key=lambda value: (str(type(value)), value))


def _refuse_many(label, values, why, out):
    """TableError for text with too many different values."""
    where = f"The column {_name(label)} holds {len(values):,} different texts, such as {_brief(values[0])}: {why}."
    read = pd.to_numeric(pd.Series(values).astype(str).str.replace(",", "."), errors="coerce")
    no_numbers = [value for value, number in zip(values, read, strict=True) if np.isnan(number)]
    if len(no_numbers) < 0.2 * len(values):
        column, comma = f"df[{_written(label)}]", any("," in str(value) for value in values)
        points, where_so = (".str.replace(',', '.')", " if the comma is a decimal point") if comma else ("", "")
        other = f" Not numbers: {len(no_numbers)} of them, such as {_brief(no_numbers[0])}." if no_numbers else ""
        raise TableError(
            f"{where} Most of them are numbers written as text.{other} Convert the column to numbers{where_so}: "
            f"{column} = pd.to_numeric({column}{points}, errors='coerce')."
        )
    raise TableError(f"{where} Merge the rare ones, or {out}.")


# --- what is to be predicted -----------------------------------------------------------------------------------------------


def _targets(label, present, task):
    """Targets (rows, 1), the task, the values that are its classes, and how the task was recognised."""
    is_text = _kind(label, present, "target") == "categories"
    values = None if is_text else _floats(label, present)
    different = _sorted(present) if is_text else sorted(set(values.tolist()))
    name, count = _name(label), len(different)
    if count == 1:
        raise TableError(
            f"The target {name} is {_brief(different[0])} in every row with a target: there is nothing to learn."
        )
    boolean = not is_text and all(isinstance(cell, (bool, np.bool_)) for cell in present)
    own = task or _recognised(different, is_text, len(present))
    if own == "regression":
        if is_text:
            raise TableError(
                f"task='regression' needs a target of numbers, and {name} holds text. Take task='multiclass'."
            )
        other = "; task='multiclass' would take them for classes" if count <= MOST_CLASSES and task is None else ""
        return values[:, None], own, (), f"{name} has {count:,} different numbers{other}"
    if own == "binary" and count != 2:
        raise TableError(
            f"task='binary' needs a target with two different values, and {name} has {count:,}. Take task='multiclass'"
            + ("." if is_text else " or task='regression'.")
        )
    if count > MOST_CLASSES:
        if is_text:
            _refuse_many(
                label,
                different,
                f"more than the {MOST_CLASSES} classes that are allowed",
                "choose another column with target=…",
            )
        raise TableError(
            f"The target {name} has {count:,} different values, and {MOST_CLASSES} classes are allowed. Take task='regression'."
        )
    classes = [bool(value) for value in different] if boolean else different
    if not is_text and all(value == int(value) for value in values):
        classes = classes if boolean else [int(value) for value in different]
    other = "" if is_text or task else "; task='regression' would take them for numbers"
    shown = ", ".join(_name(value) for value in classes[:6]) + (", …" if count > 6 else "")
    numbered = class_numbers(present.to_numpy() if is_text else values, different)
    return numbered, own, tuple(classes), f"{name} has {count} classes, {shown}{other}"


def _recognised(different, is_text, rows):
    if len(different) == 2:
        return "binary"
    first, last = different[0], different[-1]
    counted = not is_text and first in (0, 1) and different == list(range(int(first), int(first) + len(different)))
    if is_text or (counted and last <= FEW_NUMBERS and len(different) <= FEW_NUMBERS and 5 * len(different) <= rows):
        return "multiclass"
    return "regression"


# --- what it is said to be -------------------------------------------------------------------------------------------------


def _text(given, x, read, task, why, without):
    categories = sum(bool(column.categories) for column in read)
    kinds = {"numbers": len(read) - categories, "categories": categories}
    columns = [f"{_counted(count, 'column')} of {kind}" for kind, count in kinds.items() if count]
    words = [
        f"{given.name}: {len(x):,} rows, {' and '.join(columns)}, which make {_counted(x.shape[1], 'input')}.",
        f"The task is {task}: {why}.",
    ]
    if without:
        words.append(f"Left out: {_counted(without, 'row')} without {_name(given.target)}.")
    if gaps := int(np.isnan(x).any(axis=1).sum()):
        words.append(f"A value is missing in {_counted(gaps, 'row')}.")
    return " ".join(words)


def _counted(count, one):
    return f"{count:,} {one}{'s' * (count != 1)}"


def _along(along, read):
    """The number of the input along which the fit is drawn."""
    if along is None:
        return None
    labels = [column.label for column in read if not column.categories]
    return labels.index(_label(along, labels, f"along={_brief(along)} is not an input of numbers."))


def _title(label):
    """A name as it stands in a picture: on one line, and short."""
    text = " ".join(str(label).split())
    text = "".join(letter if letter.isprintable() else "?" for letter in text) or "(no name)"
    return text if len(text) <= 30 else text[:29] + "…"


def _name(label):
    return repr(_title(label))


def _brief(value):
    try:
        text = " ".join(repr(value).split())
    except Exception:  # somebody's own class
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def _brief_error(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return (text if len(text) <= 120 else text[:117]).rstrip(".")


# --- the program -----------------------------------------------------------------------------------------------------------


def one_hot(cells, categories):
    """A column for each category, 1 where it stands; NaN where the cell is missing."""
    hot = (cells.to_numpy(object, na_value=None)[:, None] == np.array(categories, object)).astype(float)
    hot[cells.isna().to_numpy()] = np.nan
    return hot


def class_numbers(targets, classes):
    """The number of the class of each target: (rows, 1)."""
    return (np.ravel(targets)[:, None] == np.array(classes, object)).argmax(axis=1)[:, None].astype(float)


def _code(given, read, classes, some_unknown):
    """The lines of Python that make x and y of what was given."""
    # Classes may be their own numbers, as the targets of regression are.
    classes = [] if list(classes) == list(range(len(classes))) else list(classes)
    functions = [one_hot] * any(column.categories for column in read) + [class_numbers] * bool(classes)
    lines = (_array_lines if given.as_arrays else _frame_lines)(given, read, classes, some_unknown)
    return "\n\n".join([*map(inspect.getsource, functions), "\n".join([given.code, *lines])])


def _frame_lines(given, read, classes, some_unknown):
    target = _written(given.target)
    lines = [f"df = df.dropna(subset=[{target}])"] if some_unknown else []
    parts = []
    if labels := [column.label for column in read if not column.categories]:
        parts.append(f"df[{_listed(labels)}].to_numpy(float, na_value=np.nan)")
    for column in read:
        if column.categories:
            parts.append(f"one_hot(df[{_written(column.label)}], {_listed(column.categories)})")
    x = parts[0] if len(parts) == 1 else "np.hstack([\n" + "".join(f"    {part},\n" for part in parts) + "])"
    y = f"df[[{target}]].to_numpy(float)"
    if classes:
        y = f"class_numbers(df[{target}], {_listed(classes)})"
    return [*lines, f"x = {x}", f"y = {y}"]


def _array_lines(given, read, classes, some_unknown):
    lines = ["x, y = np.reshape(x, (len(x), -1)).astype(float), np.reshape(y, (-1, 1))"]
    every = [label for label in given.frame.columns if label != given.target]
    chosen = [every.index(column.label) for column in read]
    if chosen != list(range(len(every))):
        lines.append(f"x = x[:, {chosen}]")
    numbers = not classes or not isinstance(classes[0], str)
    if some_unknown:
        missing = (
            "np.isnan(y.astype(float)[:, 0])"
            if numbers
            else "np.array([cell != cell or cell is None for cell in y[:, 0]])"
        )
        lines += [f"known = ~{missing}", "x, y = x[known], y[known]"]
    return [*lines, f"y = class_numbers(y, {_listed(classes)})" if classes else "y = y.astype(float)"]


def _listed(values):
    """Values as a list in the program, on lines of less than 120 letters."""
    lines, line = [], ""
    for part in map(_written, values):
        if line and len(line) + len(part) > 100:
            lines.append(line.rstrip())
            line = ""
        line += f"{part}, "
    lines.append(line.removesuffix(", "))
    return f"[{lines[0]}]" if len(lines) == 1 else "[\n        " + "\n        ".join(lines) + ",\n    ]"


def _written(value):
    """A name or a category as it stands in a program."""
    plain = isinstance(value, str) and value.isprintable() and not set(value) & {'"', "\\"}
    return f'"{value}"' if plain else repr(value)
