"""The data sets: what each row of `PROBLEMS` promises, and that the printed program draws the same points."""

import ast
import inspect
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from helpers import Experiment, problems
from helpers.catalog import SCALINGS, TASKS
from helpers.problems import DATA, PROBLEMS, REFERENCE, REFERENCE_NAME, make_problem, most_samples

KNOWN = [name for name, source in PROBLEMS.items() if source.truth]
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


def rows(*arrays):
    """Points as tuples that can be counted."""
    return Counter(map(tuple, np.hstack(arrays).tolist()))


# --- every problem ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("samples", [2, 7, 60])
def test_shapes_and_types_are_those_that_a_problem_promises(name, samples):
    source, problem = PROBLEMS[name], made(name, samples=samples)
    features = len(source.features)
    assert problem.name == name
    assert problem.task == source.task
    assert source.task in TASKS
    for x, y, points in (("x", "y", samples), ("x_val", "y_val", len(problem.x_val))):
        assert getattr(problem, x).shape == getattr(problem, f"raw_{x}").shape == (points, features)
        assert getattr(problem, y).shape == (points, 1)
    assert len(problem.x_val) >= 90
    for array in ARRAYS:
        assert getattr(problem, array).dtype == np.float32
        assert np.isfinite(getattr(problem, array)).all()
    assert problem.raw_x.dtype == problem.raw_x_val.dtype == np.float64
    if source.task == "binary":
        assert set(np.unique(problem.y)) | set(np.unique(problem.y_val)) <= {0.0, 1.0}


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_row_of_a_problem_says_what_a_reader_needs(name):
    source = PROBLEMS[name]
    assert source.help
    assert "\n" not in source.help
    assert source.target not in source.features
    assert len(set(source.features)) == len(source.features) >= 1
    assert source.noise_on in ("targets", "inputs")
    assert (source.truth is None) == (source.inputs is None) == bool(source.table)
    assert 2 <= source.samples <= most_samples(name)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_seed_decides_the_points(name):
    noise = own_noise(name)
    first = made(name, samples=50, noise=noise, seed=3)
    other = made(name, samples=50, noise=noise, seed=4)
    problems._problem.cache_clear()
    again = made(name, samples=50, noise=noise, seed=3)
    assert again is not first
    for array in ARRAYS:
        np.testing.assert_array_equal(getattr(first, array), getattr(again, array))
    for x, y in (("x", "y"), ("x_val", "y_val")):
        assert rows(getattr(first, x), getattr(first, y)) != rows(getattr(other, x), getattr(other, y))


@pytest.mark.parametrize("name", PROBLEMS)
def test_training_and_validation_points_are_drawn_apart(name):
    problem = made(name, samples=200, noise=own_noise(name))
    assert not rows(problem.x, problem.y) & rows(problem.x_val, problem.y_val)
    if name in NOISY_TARGETS:
        noise = [y - problem.truth(x) for x, y in ((problem.raw_x, problem.y), (problem.raw_x_val, problem.y_val))]
        assert abs(np.corrcoef(noise[0][:, 0], noise[1][:, 0])[0, 1]) < 0.3


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("samples", [2, 9, 200])
def test_the_baseline_is_the_error_of_a_constant(name, samples):
    problem = made(name, samples=samples, seed=5)
    y, y_val = problem.y[:, 0].astype(float), problem.y_val[:, 0].astype(float)
    if problem.task == "regression":
        assert problem.baseline == pytest.approx(np.mean((y_val - y.mean()) ** 2), rel=1e-4)
        assert problem.loss_of_constant == problem.baseline
        assert problem.loss_of_truth == problem.noise_floor
    else:
        frequent = np.bincount(y.astype(int)).argmax()
        assert problem.baseline == pytest.approx(np.mean(y_val != frequent))
        share = np.clip(y.mean(), 1e-12, 1 - 1e-12)
        entropy = -np.mean(y_val * np.log(share) + (1 - y_val) * np.log(1 - share))
        if 0 < y.mean() < 1:
            assert problem.loss_of_constant == pytest.approx(entropy, rel=1e-5)
        assert np.isfinite(problem.loss_of_constant)
        assert problem.loss_of_truth == 0
    constant = y.mean() if problem.task == "regression" else float(frequent)
    assert problem.error(np.full_like(problem.y_val, constant)) == pytest.approx(problem.baseline, rel=1e-5)


@pytest.mark.parametrize("name", PROBLEMS)
def test_there_is_something_to_learn(name):
    for seed in range(5):
        problem = made(name, seed=seed)
        assert 0 <= problem.noise_floor < 0.5 * problem.baseline


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_error_is_counted_from_predictions(name):
    problem = made(name)
    assert problem.error(problem.y_val) == 0
    if problem.task == "regression":
        assert problem.error(problem.y_val + 0.5) == pytest.approx(0.25, rel=1e-4)
    else:
        assert problem.error(1 - problem.y_val) == 1
        half = np.where(np.arange(len(problem.y_val))[:, None] % 2, problem.y_val, 1 - problem.y_val)
        assert problem.error(half) == pytest.approx(0.5, abs=0.01)
    assert not np.isfinite(problem.error(np.full_like(problem.y_val, np.nan)))


# --- where the truth is known ----------------------------------------------------------------------


@pytest.mark.parametrize("name", KNOWN)
def test_without_noise_the_targets_are_the_true_function(name):
    problem = made(name, samples=MANY, noise=0.0)
    assert problem.floor_name == "true function"
    assert problem.noise_floor == 0
    for x, y in ((problem.raw_x, problem.y), (problem.raw_x_val, problem.y_val)):
        assert problem.truth(x).shape == y.shape
        np.testing.assert_array_equal(problem.truth(x).astype("float32"), y)
    for count in (1, 5):  # the truth of a point does not depend on the others
        np.testing.assert_array_equal(problem.truth(problem.raw_x[:count]), problem.truth(problem.raw_x)[:count])


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("noise", [0.05, 2.0])
def test_noise_moves_what_it_says_and_by_as_much_as_it_says(name, noise):
    clear, noisy = (made(name, samples=MANY, noise=level, seed=2) for level in (0.0, noise))
    moved = PROBLEMS[name].noise_on
    for part in ("", "_val"):
        shifts = {
            "inputs": getattr(noisy, f"raw_x{part}") - getattr(clear, f"raw_x{part}"),
            "targets": getattr(noisy, f"y{part}") - getattr(clear, f"y{part}"),
        }
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
        assert problem.noise_floor == pytest.approx(np.mean(off), rel=1e-4, abs=1e-12)
        assert problem.error(answers) == pytest.approx(problem.noise_floor, rel=1e-6)


@pytest.mark.parametrize("name", NOISY_TARGETS)
def test_the_noise_floor_of_many_points_is_the_square_of_the_noise(name):
    noise = own_noise(name)
    floors = [made(name, noise=noise, seed=seed).noise_floor for seed in range(20)]
    # 20 times 200 squares of normal numbers: their mean is within 2.2 % in two cases of three.
    assert np.mean(floors) == pytest.approx(noise**2, rel=0.1)


# --- real data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REAL)
def test_real_points_are_whole_rows_of_the_file_and_stand_in_one_part_only(name):
    source = PROBLEMS[name]
    table = pd.read_csv(DATA / source.table)[[*source.features, source.target]]
    whole = rows(table.dropna().to_numpy("float32"))
    most = most_samples(name)
    for seed, samples in ((0, most), (1, most), (2, most // 2), (3, 2)):
        problem = made(name, samples=samples, noise=0.0, seed=seed)
        used = rows(problem.raw_x.astype("float32"), problem.y)
        used += rows(problem.raw_x_val.astype("float32"), problem.y_val)
        assert used.total() == samples + len(problem.x_val)
        assert used <= whole
    assert most + len(problem.x_val) == whole.total()
    assert len(problem.x_val) == pytest.approx(whole.total() / 4, abs=1)


@pytest.mark.parametrize("name", REAL)
def test_more_samples_leave_the_validation_points_as_they_are(name):
    few, many = made(name, samples=20, noise=0.0), made(name, noise=0.0)
    np.testing.assert_array_equal(few.raw_x_val, many.raw_x_val)
    np.testing.assert_array_equal(few.raw_x, many.raw_x[:20])


@pytest.mark.parametrize("name", REAL)
def test_the_floor_of_real_data_is_that_of_a_named_model(name):
    for seed in range(3):
        problem = made(name, seed=seed)
        assert problem.truth is None
        assert problem.floor_name == REFERENCE_NAME
        middle = problem.y.mean(dtype=float)
        answers = clone(REFERENCE).fit(problem.raw_x, problem.y - middle).predict(problem.raw_x_val) + middle
        assert problem.noise_floor == pytest.approx(problem.error(answers.reshape(-1, 1)), rel=1e-3)


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
    assert {*source.features, source.target} <= set(table.columns)
    words = sections()[source.table]
    for column in table.columns:
        assert f"| `{column}` |" in words
    for heading in ("Origin", "Licence"):
        assert re.search(rf"\*\*{heading}\.\*\* \S.{{20,}}", words)
    assert re.search(r"BSD|CC0|CC BY|MIT|[Pp]ublic domain|Open Data", words.partition("**Licence.**")[2])


# --- scaling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_inputs_are_scaled_by_what_the_training_points_say(name, scaling):
    plain = made(name, samples=40, noise=own_noise(name), seed=6)
    problem = made(name, samples=40, noise=own_noise(name), seed=6, scaling=scaling)
    call = SCALINGS[scaling].call
    scaled = call.make().fit(plain.raw_x).transform if call else np.asarray
    assert (problem.scaler is None) == (call is None)
    np.testing.assert_array_equal(problem.x, scaled(plain.raw_x).astype("float32"))
    np.testing.assert_array_equal(problem.x_val, scaled(plain.raw_x_val).astype("float32"))
    np.testing.assert_array_equal(problem.scaled(plain.raw_x_val), problem.x_val)
    assert problem.scaled(plain.raw_x_val).dtype == np.float32


@pytest.mark.parametrize("scaling", [name for name, row in SCALINGS.items() if row.call])
def test_validation_points_far_away_do_not_move_the_scaler(scaling, monkeypatch):
    x, y, x_val, y_val = (getattr(made("product"), array) for array in ("raw_x", "y", "raw_x_val", "y_val"))
    moved = {}
    for distance in (0, 1000):
        problems._problem.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(problems, "draw", lambda *_, far=distance: [x, y, x_val + far, y_val])
            moved[distance] = made("product", scaling=scaling)
    problems._problem.cache_clear()
    np.testing.assert_array_equal(moved[1000].x, moved[0].x)
    assert np.abs(moved[0].x_val).max() < 10
    assert moved[1000].x_val.min() > 100


@pytest.mark.parametrize("scaling", SCALINGS)
def test_scaling_changes_the_inputs_and_nothing_else(scaling):
    plain, problem = made("auto_mpg"), made("auto_mpg", scaling=scaling)
    for name in ("y", "y_val", "raw_x", "raw_x_val", "baseline", "noise_floor", "loss_of_constant", "loss_of_truth"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(problem, name))


# --- the lines that are printed --------------------------------------------------------------------


def drawn_by_program(experiment):
    """The names that the program's lines on the data leave behind, run with nothing else in sight."""
    tree = ast.parse(experiment.to_keras())
    made = [getattr(node, "targets", [None])[0] for node in tree.body]
    (network,) = [i for i, target in enumerate(made) if isinstance(target, ast.Name) and target.id == "model"]
    tree.body = [node for node in tree.body[:network] if ast.unparse(node) != "import keras"]
    names = {}
    exec(compile(tree, "program", "exec"), names)
    return names


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"seed": 1},
        {"seed": 999_999, "samples": 2},
        {"noise": 0.0, "samples": 3},
        {"noise": 1 / 3, "samples": 51, "seed": 12},
        {"noise": 1e-9},
        {"noise": 100.0, "seed": 7},
    ],
    ids=str,
)
def test_the_printed_lines_draw_the_same_points(name, fields):
    experiment = Experiment(problem=name, **fields)
    problem, names = make_problem(experiment), drawn_by_program(experiment)
    np.testing.assert_array_equal(names["x"], problem.raw_x)
    np.testing.assert_array_equal(names["x_val"], problem.raw_x_val)
    for array in ARRAYS:
        assert names[array].dtype == np.float64
        np.testing.assert_array_equal(names[array].astype("float32"), getattr(problem, array))


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_printed_lines_scale_the_same_way(name, scaling):
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
