"""The data sets: what each row of `PROBLEMS` promises, and that the printed program draws the same points."""

import ast
import inspect
import re
from collections import Counter
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from helpers import Experiment, to_keras
from helpers.experiments import problems
from helpers.experiments.catalog import FEATURES, IMPUTATIONS, SCALINGS, TASKS
from helpers.experiments.problems import REFERENCES, make_problem
from helpers.experiments.run import nothing_to_learn
from helpers.experiments.sources import DATA, PROBLEMS, Points, most_samples, read_table

pytestmark = pytest.mark.numerical

SYNTHETIC = [name for name, source in PROBLEMS.items() if not source.table]
KNOWN = [name for name in SYNTHETIC if not PROBLEMS[name].hidden]  # the network is shown all that decides
NUMBERS = [name for name, source in PROBLEMS.items() if not source.categories]
FIXED = ("xor", "three_points", "line", "stock_price", "stock_return", "stock_trend")  # inputs not left to chance
IN_ORDER = [name for name, source in PROBLEMS.items() if source.split == "chronological"]
REAL = [name for name, source in PROBLEMS.items() if source.table]
NOISY_TARGETS = [name for name in KNOWN if PROBLEMS[name].noise_on == "targets"]
MANY = 600  # points where something is to be estimated
ARRAYS = ("x", "y", "x_val", "y_val")


def made(name, **fields):
    """The data of an experiment on this problem."""
    return make_problem(Experiment(problem=name, **fields))


def own_noise(name):
    """Some noise: the problem's own, or a tenth where it has none."""
    return PROBLEMS[name].noise or 0.1


@contextmanager
def case(**fields):
    """Names the fields that a test was at when it failed."""
    try:
        yield
    except Exception as error:
        error.add_note(f"with {fields}")
        raise


def rows(*arrays):
    """Points as tuples that can be counted."""
    return Counter(map(tuple, np.hstack([np.asarray(a, object) for a in arrays]).tolist()))


# --- every problem ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROBLEMS)
def test_shapes_and_types_are_those_that_a_problem_promises(name):
    for samples in (3, 7, 60):
        with case(samples=samples):
            source, problem = PROBLEMS[name], made(name, samples=samples)
            features = len(source.features)
            assert problem.name == name
            assert problem.task == source.task
            assert source.task in TASKS
            for x, y, points in (("x", "y", samples), ("x_val", "y_val", len(problem.x_val))):
                assert getattr(problem, x).shape == getattr(problem, f"raw_{x}").shape == (points, features)
                assert getattr(problem, y).shape == (points, 1)
            assert len(problem.x_val) >= 30
            for array in ARRAYS:
                assert getattr(problem, array).dtype == np.float32
                assert np.isfinite(getattr(problem, array)).all()
            assert problem.raw_x.dtype.kind == problem.raw_x_val.dtype.kind == ("U" if source.categories else "f")
            if source.task != "regression":
                assert set(np.unique(problem.y)) | set(np.unique(problem.y_val)) <= set(range(max(2, source.outputs)))


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_row_of_a_problem_says_what_a_reader_needs(name):
    source = PROBLEMS[name]
    assert source.help
    assert "\n" not in source.help
    assert source.target not in source.features
    assert len(set(source.features)) == len(source.features) >= 1
    assert source.noise_on in ("targets", "inputs")
    assert source.suits(FEATURES[source.features_as])
    assert not source.table or source.reference in REFERENCES
    assert (source.truth is None) == (source.inputs is None) == bool(source.table)
    assert 2 <= source.samples <= most_samples(name)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_seed_decides_the_points(name):
    noise = own_noise(name)
    noise = 0.0 if PROBLEMS[name].hidden or PROBLEMS[name].categories else noise
    first = made(name, samples=50, noise=noise, seed=3)
    other = made(name, samples=50, noise=noise, seed=4)
    problems._problem.cache_clear()
    again = made(name, samples=50, noise=noise, seed=3)
    assert again is not first
    for array in ARRAYS:
        np.testing.assert_array_equal(getattr(first, array), getattr(again, array))
    for x, y in (("raw_x", "y"), ("raw_x_val", "y_val")):
        assert rows(getattr(first, x), getattr(first, y)) != rows(getattr(other, x), getattr(other, y))


@pytest.mark.parametrize("name", PROBLEMS)
def test_data_that_experiments_share_cannot_be_changed_in_place(name):
    problem = made(name, scaling="standard")
    for array in (*ARRAYS, "raw_x", "raw_x_val"):
        shared = getattr(problem, array)
        before = shared.copy()
        with pytest.raises(ValueError, match="read-only"):
            shared[0] = before[1]
        if before.dtype.kind == "f":
            with pytest.raises(ValueError, match="read-only"):
                shared *= 100
        np.testing.assert_array_equal(getattr(made(name, scaling="standard"), array), before)
    if PROBLEMS[name].table:
        for complete in (True, False):
            for array in read_table(name, complete):
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = 0


@pytest.mark.parametrize("name", PROBLEMS)
def test_training_and_validation_points_are_drawn_apart(name):
    problem = made(name, samples=min(200, most_samples(name)), noise=own_noise(name))
    if name in NUMBERS:  # of eight letters all stand in both parts, with other noise
        assert not rows(problem.raw_x, problem.y) & rows(problem.raw_x_val, problem.y_val)
    if name in NOISY_TARGETS and len(problem.y) == len(problem.y_val):
        noise = [y - problem.truth(x) for x, y in ((problem.raw_x, problem.y), (problem.raw_x_val, problem.y_val))]
        assert abs(np.corrcoef(noise[0][:, 0], noise[1][:, 0])[0, 1]) < 0.3


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_baseline_is_the_error_of_a_constant(name):
    for samples in (2, 9, 90):
        with case(samples=samples):
            problem = made(name, samples=samples, seed=5)
            y, y_val = problem.y[:, 0].astype(float), problem.y_val[:, 0].astype(float)
            if problem.task == "regression":
                assert problem.baseline == pytest.approx(np.mean((y_val - y.mean()) ** 2), rel=1e-4)
                assert problem.loss_of_constant == problem.baseline
                assert problem.loss_of_truth == problem.noise_floor
            else:
                classes = max(2, PROBLEMS[name].outputs)
                shares = np.bincount(y.astype(int), minlength=classes) / len(y)
                assert problem.baseline == pytest.approx(np.mean(y_val != shares.argmax()))
                if shares.min() > 0:
                    entropy = -np.mean(np.log(shares[y_val.astype(int)]))
                    assert problem.loss_of_constant == pytest.approx(entropy, rel=1e-5)
                assert np.isfinite(problem.loss_of_constant)
                assert problem.loss_of_truth == 0


@pytest.mark.parametrize("name", PROBLEMS)
def test_there_is_something_to_learn(name):
    for seed in range(5):
        problem = made(name, seed=seed)
        if name in ("root", "stock_return"):
            assert nothing_to_learn(problem)
        else:
            assert 0 <= problem.noise_floor < 0.5 * problem.baseline


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_error_is_counted_from_predictions(name):
    problem = made(name)
    if problem.task == "multiclass":
        right = problem.y_val == np.arange(PROBLEMS[name].outputs)
        assert problem.error(right) == 0
        assert problem.error(np.roll(right, 1, axis=1)) == 1
        return
    assert problem.error(problem.y_val) == 0
    if problem.task == "regression":
        assert problem.error(problem.y_val.astype(float) + 0.5) == pytest.approx(0.25, rel=1e-4)
    else:
        assert problem.error(1 - problem.y_val) == 1
        half = np.where(np.arange(len(problem.y_val))[:, None] % 2, problem.y_val, 1 - problem.y_val)
        assert problem.error(half) == pytest.approx(0.5, abs=0.01)
    assert not np.isfinite(problem.error(np.full_like(problem.y_val, np.nan)))


# --- where the truth is known ----------------------------------------------------------------------


@pytest.mark.parametrize("name", KNOWN)
def test_without_noise_the_targets_are_the_true_function(name):
    problem = made(name, samples=MANY, noise=0.0)
    assert problem.reference_name == "true function"
    assert problem.noise_floor == 0
    for x, y in ((problem.raw_x, problem.y), (problem.raw_x_val, problem.y_val)):
        assert problem.truth(x).shape == y.shape
        np.testing.assert_allclose(problem.truth(x), y, rtol=1e-6)
    for count in (1, 5):  # the truth of a point does not depend on the others
        np.testing.assert_allclose(
            problem.truth(problem.raw_x[:count]), problem.truth(problem.raw_x)[:count], rtol=1e-12
        )


@pytest.mark.parametrize("name", KNOWN)
def test_noise_moves_what_it_says_and_by_as_much_as_it_says(name):
    for noise in (0.05, 2.0):
        with case(noise=noise):
            moved = PROBLEMS[name].noise_on
            first, second = (
                problems.draw(p)
                for p in (Experiment(problem=name, samples=MANY, noise=n, seed=2) for n in (0.0, noise))
            )
            # With noise the random numbers of the second part are others, so only the first can be compared.
            if name in FIXED or not PROBLEMS[name].categories:
                shifts = {"inputs": second.x - first.x, "targets": second.y - first.y}
                shift = shifts.pop(moved)
                assert np.std(shift) == pytest.approx(noise, rel=0.2)
                assert abs(np.mean(shift)) < 0.3 * noise
                (still,) = shifts.values()
                assert not still.any()


@pytest.mark.parametrize("name", KNOWN)
def test_the_noise_floor_is_the_error_of_the_true_function(name):
    for seed in range(3):
        problem = made(name, noise=own_noise(name), seed=seed)
        answers = problem.truth(problem.raw_x_val)
        off = (answers - problem.y_val) ** 2 if problem.task == "regression" else answers.round() != problem.y_val
        assert problem.noise_floor == pytest.approx(np.mean(off), rel=1e-4, abs=1e-9)
        assert problem.error(answers) == pytest.approx(problem.noise_floor, rel=1e-6)


@pytest.mark.parametrize("name", NOISY_TARGETS)
def test_the_noise_floor_of_many_points_is_the_square_of_the_noise(name):
    noise = own_noise(name)
    floors = [made(name, noise=noise, seed=seed).noise_floor for seed in range(20)]
    # 20 times 200 squares of normal numbers: their mean is within 2.2 % in two cases of three.
    assert np.mean(floors) == pytest.approx(noise**2, rel=0.1)


# --- real data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REAL)
def test_real_points_are_rows_of_the_table_and_stand_in_one_part_only(name):
    for imputation in ("drop", "mean"):
        with case(imputation=imputation):
            complete = imputation == "drop"
            x, y = read_table(name, complete)
            assert np.isnan(x).any() == (not complete and name in ("auto_mpg", "penguins"))
            everything = rows(np.nan_to_num(x, nan=-1), y)
            most = most_samples(name, complete)
            for seed, samples in ((0, most), (1, most), (2, most // 2), (3, 2)):
                problem = made(name, samples=samples, noise=0.0, seed=seed, imputation=imputation)
                used = rows(np.nan_to_num(problem.raw_x, nan=-1), problem.y.astype(float).round(6))
                used += rows(np.nan_to_num(problem.raw_x_val, nan=-1), problem.y_val.astype(float).round(6))
                assert used.total() == samples + len(problem.x_val)
                assert (
                    used.total()
                    - (used & rows(np.nan_to_num(x, nan=-1), y.astype("float32").astype(float).round(6))).total()
                    == 0
                )
            assert most + len(problem.x_val) == everything.total()
            assert len(problem.x_val) == pytest.approx(everything.total() / 4, abs=1)


@pytest.mark.parametrize("name", REAL)
def test_more_samples_leave_the_validation_points_as_they_are(name):
    few, many = made(name, samples=20, noise=0.0), made(name, noise=0.0)
    np.testing.assert_array_equal(few.raw_x_val, many.raw_x_val)
    np.testing.assert_array_equal(few.raw_x, many.raw_x[-20:])


@pytest.mark.parametrize("name", IN_ORDER)
def test_in_order_the_validation_points_are_the_future(name):
    x, _ = read_table(name)
    problem = made(name)
    np.testing.assert_array_equal(problem.raw_x_val, x[-len(problem.raw_x_val) :])
    np.testing.assert_array_equal(made(name, seed=5).raw_x, problem.raw_x)
    assert not np.array_equal(made(name, split="shuffled").raw_x_val, problem.raw_x_val)


@pytest.mark.parametrize("name", REAL)
def test_the_floor_of_real_data_is_that_of_a_named_model(name):
    for seed in range(2):
        problem = made(name, seed=seed)
        assert problem.truth is None
        assert problem.reference_name == PROBLEMS[name].reference
        answers = REFERENCES[problem.reference_name](problem.raw_x, problem.y.astype(float), problem.raw_x_val)
        assert problem.noise_floor == pytest.approx(problem.error(answers), rel=1e-3)


def test_the_judges_of_shares_are_the_naive_guesses():
    price, change = made("stock_price"), made("stock_return")
    assert price.noise_floor == pytest.approx(np.mean((price.raw_x_val[:, -1:] - price.y_val) ** 2), rel=1e-5)
    assert change.noise_floor == pytest.approx(change.baseline)
    trend = made("stock_trend")
    assert trend.noise_floor == pytest.approx(np.mean((trend.y[-1] - trend.y_val) ** 2), rel=1e-4)


def sections():
    """Of data/README.md: the name of each file and what is written about it."""
    parts = re.split(r"^## `([^`]+)`$", (DATA / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_file_is_used_and_every_table_is_there():
    tables = {PROBLEMS[name].table for name in REAL}
    assert {path.name for path in DATA.iterdir() if path.name != "README.md"} == tables == set(sections())
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1_000_000


@pytest.mark.parametrize("name", REAL)
def test_origin_licence_and_columns_of_real_data_are_written_down(name):
    source = PROBLEMS[name]
    table = pd.read_csv(DATA / source.table)
    if not source.rows:
        assert {*source.features, source.target} <= set(table.columns)
    words = sections()[source.table]
    for column in table.columns:
        assert f"`{column}`" in words
    for heading in ("Origin", "Licence"):
        assert re.search(rf"\*\*{heading}\.\*\* \S.{{20,}}", words)
    assert re.search(r"BSD|CC0|CC BY|MIT|[Pp]ublic domain|Open Data", words.partition("**Licence.**")[2])


# --- preparation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROBLEMS)
def test_inputs_are_scaled_by_what_the_training_points_say(name):
    for scaling in SCALINGS:
        with case(scaling=scaling):
            plain = made(name, samples=40, seed=6)
            problem = made(name, samples=40, seed=6, scaling=scaling)
            call = SCALINGS[scaling].call
            scaled = call.make().fit(plain.x.astype(float)).transform if call else np.asarray
            np.testing.assert_allclose(problem.x, scaled(plain.x.astype(float)), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(problem.x_val, scaled(plain.x_val.astype(float)), rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(problem.scaled(plain.raw_x_val), problem.x_val)
            assert problem.scaled(plain.raw_x_val).dtype == np.float32


@pytest.mark.parametrize("scaling", [name for name, row in SCALINGS.items() if row.call])
def test_validation_points_far_away_do_not_move_the_preparation(scaling, monkeypatch):
    for imputation in (name for name in IMPUTATIONS if name != "none"):
        with case(imputation=imputation):
            experiment = Experiment(
                problem="product", missing=0.2, imputation=imputation, scaling=scaling, features="squares"
            )
            points = problems.draw(experiment)
            moved = {}
            for distance in (0, 1000):
                problems._problem.cache_clear()
                with monkeypatch.context() as patch:
                    far = points._replace(x_val=points.x_val + distance)
                    patch.setattr(problems, "draw", lambda _, far=far: Points(*far))
                    moved[distance] = make_problem(experiment)
            problems._problem.cache_clear()
            np.testing.assert_array_equal(moved[1000].x, moved[0].x)
            assert np.abs(moved[1000].x_val - moved[0].x_val).max() > (1 if imputation == "sentinel" else 100)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_scaling_changes_the_inputs_and_nothing_else(scaling):
    plain, problem = made("auto_mpg"), made("auto_mpg", scaling=scaling)
    for name in ("y", "y_val", "raw_x", "raw_x_val", "baseline", "noise_floor", "loss_of_constant", "loss_of_truth"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(problem, name))


def test_scaled_targets_leave_the_share_of_what_can_be_learned():
    plain, problem = made("price"), made("price", target_scaling="standard")
    assert problem.y.mean() == pytest.approx(0, abs=1e-4)
    assert problem.y.std() == pytest.approx(1, rel=1e-4)
    assert problem.noise_floor / problem.baseline == pytest.approx(plain.noise_floor / plain.baseline, rel=1e-4)
    np.testing.assert_allclose(problem.truth(problem.raw_x_val), problem.y_val, atol=0.5)
    np.testing.assert_array_equal(made("moons", target_scaling="standard").y, made("moons").y)


def test_offset_and_stretch_move_the_inputs_and_the_truth_with_them():
    plain, problem = made("sine"), made("sine", input_offset=100.0, input_scale=3.0)
    np.testing.assert_allclose(problem.raw_x, 3 * plain.raw_x + 100)
    np.testing.assert_array_equal(problem.y, plain.y)
    np.testing.assert_allclose(problem.truth(problem.raw_x), plain.truth(plain.raw_x))


def test_outliers_stand_in_the_training_part_only():
    plain, problem = made("two_scales"), made("two_scales", outliers=5)
    assert np.sum(plain.raw_x != problem.raw_x) == 5
    np.testing.assert_allclose((problem.raw_x / plain.raw_x).max(), 1000)
    assert np.abs(problem.raw_x_val).max() <= 1000
    assert problem.noise_floor < 0.1


@pytest.mark.parametrize("kind", ["at random", "largest"])
def test_as_much_is_missing_as_was_asked_for_and_the_right_values(kind):
    plain = made("two_scales", samples=MANY)
    problem = made("two_scales", samples=MANY, missing=0.2, missing_kind=kind, imputation="none")
    lost = np.isnan(problem.raw_x)
    assert lost.mean() == pytest.approx(0.2, abs=0.03)
    assert np.isnan(problem.raw_x_val).mean() == pytest.approx(0.2, abs=0.06)
    if kind == "largest":
        assert all(plain.raw_x[lost[:, i], i].min() > plain.raw_x[~lost[:, i], i].max() for i in (0, 1))
    assert np.isnan(problem.x).any()


@pytest.mark.parametrize("imputation", IMPUTATIONS)
def test_what_stands_in_for_a_missing_value(imputation):
    fields = {"samples": MANY, "missing": 0.2, "missing_kind": "largest"}
    holes = made("two_scales", imputation="none", **fields).raw_x
    problem = made("two_scales", imputation=imputation, **fields)
    lost = np.isnan(holes)
    fill = {"zero": 0.0, "sentinel": -999.0, "median": np.nanmedian(holes[:, 0])}.get(
        imputation, np.nanmean(holes[:, 0])
    )
    if imputation == "drop":
        assert len(problem.x) == len(problem.y) == (~lost.any(axis=1)).sum()
        assert np.isfinite(problem.x_val).all()
    elif imputation == "none":
        assert np.isnan(problem.x[lost]).all()
    else:
        np.testing.assert_allclose(problem.x[lost[:, 0], 0], fill, rtol=1e-6)
        assert problem.x.shape[1] == (4 if imputation == "indicator" else 2)
    if imputation == "indicator":
        np.testing.assert_array_equal(problem.x[:, 2:], lost)


@pytest.mark.parametrize("row", FEATURES)
def test_features_are_made_of_the_inputs(row):
    name = next(name for name, source in PROBLEMS.items() if source.suits(FEATURES[row]))
    name = {"ratio": "ratio", "polar": "circle", "squares": "product"}.get(row, name)
    problem = made(name, features=row)
    x = problem.raw_x
    expected = {
        "raw": lambda: x,
        "squares": lambda: np.column_stack([x, x[:, 0] ** 2, x[:, 0] * x[:, 1], x[:, 1] ** 2]),
        "log": lambda: np.log10(x),
        "ratio": lambda: np.column_stack([x, x[:, 0] / x[:, 1]]),
        "polar": lambda: np.column_stack([np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0])]),
        "clock": lambda: np.column_stack([np.sin(x * np.pi / 12), np.cos(x * np.pi / 12)]),
        "codes": lambda: np.vectorize("ABCDEFGH".index)(x),
        "one_hot": lambda: x == np.array(list("ABCDEFGH")),
    }[row]()
    np.testing.assert_allclose(problem.x, expected, rtol=1e-5, atol=1e-6)


# --- the lines that are printed --------------------------------------------------------------------


def drawn_by_program(experiment):
    """The names that the program's lines on the data leave behind, run with nothing else in sight."""
    tree = ast.parse(to_keras(experiment))
    made = [getattr(node, "targets", [None])[0] for node in tree.body]
    (network,) = [i for i, target in enumerate(made) if isinstance(target, ast.Name) and target.id == "model"]
    tree.body = [node for node in tree.body[:network] if ast.unparse(node) != "import keras"]
    names = {}
    exec(compile(tree, "program", "exec"), names)
    return names


DRAWN = [
    {},
    {"seed": 1},
    {"seed": 999_999, "samples": 2},
    {"noise": 0.0, "samples": 3},
    {"noise": 1 / 3, "samples": 51, "seed": 12},
    {"noise": 1e-9},
    {"noise": 100.0, "seed": 7},
    {"input_offset": 7.5, "input_scale": 0.3},
    {"missing": 0.2, "outliers": 3, "imputation": "mean"},
    {"missing": 0.1, "samples": 60},
    {"missing": 0.3, "missing_kind": "largest", "imputation": "median"},
    {"split": "shuffled", "imputation": "mean"},
]


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_printed_lines_draw_the_same_points(name):
    for fields in DRAWN:
        if name not in NUMBERS and {"input_offset", "missing"} & set(fields):
            continue  # what is text cannot be moved, nor be missing
        with case(**fields):
            experiment = Experiment(problem=name, **fields)
            problem, names = make_problem(experiment), drawn_by_program(experiment)
            for array in ARRAYS:
                np.testing.assert_array_equal(names[array].astype("float32"), getattr(problem, array))


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_printed_lines_scale_the_same_way(name):
    for scaling in SCALINGS:
        with case(scaling=scaling):
            experiment = Experiment(problem=name, samples=30, scaling=scaling, seed=3)
            problem, names = make_problem(experiment), drawn_by_program(experiment)
            for array in ARRAYS:
                np.testing.assert_array_equal(np.asarray(names[array], "float32"), getattr(problem, array))


@pytest.mark.parametrize("name", KNOWN)
def test_the_printed_functions_need_only_numpy(name):
    for function in (PROBLEMS[name].inputs, PROBLEMS[name].truth):
        tree = ast.parse(inspect.getsource(function))
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Import | ast.ImportFrom)
        free = set(inspect.getclosurevars(function).globals) | set(inspect.getclosurevars(function).unbound)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert free & used <= {"np"}
