"""The pictures: every kind of scene gives one, and what is kept between two frames never shows."""

import functools
import io
import itertools

import numpy as np
import pytest
from covering import each_night
from matplotlib.text import Text
from PIL import Image

from helpers import Experiment, train_seeds
from helpers.experiments.problems import make_problem
from helpers.experiments.sources import PROBLEMS
from helpers.experiments.training import stream
from helpers.lab.plots import PANELS, PICTURES, Renderer, Scene, grid, show_points, shown_inputs

SMALL = Experiment(depth=2, width=6, epochs=12)
# One problem of each kind that is drawn in its own way: by number of inputs and by task.
KINDS = {(min(len(source.features), 3), source.task): name for name, source in reversed(PROBLEMS.items())}
EXPERIMENTS = (
    {"wave": SMALL}
    | {name: SMALL.replace(problem=name) for name in KINDS.values()}
    | {
        "no hidden layer": SMALL.replace(depth=0),
        "many layers": SMALL.replace(depth=20, width=2),
        "one epoch": SMALL.replace(epochs=1),
        "no noise": SMALL.replace(noise=0.0),
        "few points": SMALL.replace(problem="xor", samples=2),
    }
)
WILD = SMALL.replace(optimizer="sgd", learning_rate=1000.0, activation="elu", epochs=60)
DIVERGED = {
    "line": WILD.replace(problem="line"),
    "classes": WILD.replace(problem="moons", l2=10.0),
    "cars": WILD.replace(problem="auto_mpg"),
}


@functools.lru_cache
def chunks(experiment):
    """The runs that a lab would be given on the slowest machine: one for each epoch."""
    return list(stream(experiment, seconds=0, x_show=shown_inputs(experiment)))


def run_of(experiment):
    return chunks(experiment)[-1]


@functools.lru_cache
def study_of(experiment):
    return train_seeds(experiment, 5)


def scene_of(shown, pinned=None, under_way=False, study=False):
    """A scene as the lab makes it: beside a study it still holds the run of the same setting."""
    return Scene(
        run=chunks(shown)[0] if under_way else run_of(shown),
        study=study_of(shown) if study else None,
        pinned=pinned and pinned(),
    )


def scenes():
    """Name -> what makes it, for every kind of scene that a lab shows."""
    made = {}
    for name, shown in EXPERIMENTS.items():
        made[name] = functools.partial(scene_of, shown)
        made[f"{name}, under way"] = functools.partial(scene_of, shown, under_way=True)
        made[f"{name}, pinned"] = functools.partial(scene_of, shown, lambda: run_of(SMALL.replace(seed=1)))
        if name in (*KINDS.values(), "wave", "no hidden layer"):  # tracing a study costs seconds
            made[f"{name}, study"] = functools.partial(scene_of, shown, study=True)
    pinned = {
        "a longer run": lambda: run_of(SMALL.replace(epochs=30)),
        "a deeper run": lambda: run_of(SMALL.replace(depth=5)),
        "a study": lambda: study_of(SMALL),
        "a diverged run": lambda: run_of(DIVERGED["line"]),
        "a run on other data": lambda: run_of(SMALL.replace(problem="moons")),
    }
    for what, old in pinned.items():
        made[f"wave, pinned {what}"] = functools.partial(scene_of, SMALL, old)
        made[f"wave, study, pinned {what}"] = functools.partial(scene_of, SMALL, old, study=True)
    for name, shown in DIVERGED.items():
        made[f"{name}, diverged"] = functools.partial(scene_of, shown)
    made["line, study, diverged"] = functools.partial(scene_of, DIVERGED["line"], study=True)
    made["line, diverged, pinned"] = functools.partial(scene_of, DIVERGED["line"], lambda: run_of(SMALL))
    return made


SCENES = scenes()
# A few in which the pictures differ most.
FEW = [*EXPERIMENTS, "no hidden layer, study", "wave, pinned a deeper run", "line, diverged"]


def decoded(frame):
    """(height, width, 3) of a frame, whose bytes must be what its format says."""
    kind, data = frame
    picture = Image.open(io.BytesIO(data))
    assert picture.format.lower() == kind
    assert picture.mode == "RGB"
    return np.asarray(picture)


def picture(scene, **options):
    """The pixels of a scene from a renderer that has drawn nothing else."""
    return decoded(Renderer(**options).frame(scene))


@functools.lru_cache
def fresh(name):
    return picture(SCENES[name]())


def panel(pixels, index):
    """The quarter of the whole picture that holds a panel."""
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    row, column = divmod(index, 2)
    return pixels[row * height : (row + 1) * height, column * width : (column + 1) * width]


# --- one frame -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", each_night(list(SCENES), [*FEW, *list(SCENES)[2::8]]))
def test_every_scene_gives_a_picture(name):
    finished = fresh(name)
    assert finished.shape == (470, 860, 3)
    for index in range(len(PICTURES)):
        assert len(np.unique(panel(finished, index).reshape(-1, 3), axis=0)) > 10  # something is drawn there


def test_a_finished_frame_is_a_png_and_a_hasty_one_a_small_jpeg():
    renderer, scene = Renderer(), SCENES["wave"]()
    finished, hasty = renderer.frame(scene), renderer.frame(scene, final=False)
    assert (finished[0], hasty[0]) == ("png", "jpeg")
    assert np.abs(decoded(finished).astype(int) - decoded(hasty)).mean() < 3
    assert len(hasty[1]) < 100_000
    assert len(finished[1]) < 200_000


@pytest.mark.parametrize(
    ("name", "width", "scale"),
    [("wave", 320, 1.0), ("wave", 777, 1.37), ("no hidden layer", 860, 1.5), ("line, study, diverged", 1400, 2.0)],
)
def test_a_picture_has_the_size_that_the_page_asks_for(name, width, scale):
    height, columns, _ = picture(SCENES[name](), width=width, scale=scale).shape
    assert columns == pytest.approx(width * scale, abs=1)
    rows = 4 if width < 560 else 2
    assert 200 * scale < height / rows < 250 * scale


SHOWN = ["wave", "penguins", "wave, pinned a deeper run", "no hidden layer, study"]
WIDTHS = [280, 560, 814, 1400]


@pytest.mark.parametrize(
    ("name", "width", "count"),  # every two of the three meet once by default
    [
        pytest.param(name, width, count, marks=[] if (n + w) % 4 == count - 1 else pytest.mark.nightly)
        for (n, name), (w, width), count in itertools.product(enumerate(SHOWN), enumerate(WIDTHS), range(1, 5))
    ],
)
def test_letters_are_legible_and_none_is_cut_off(name, width, count):
    renderer = Renderer(PICTURES[:count], width=width)
    assert decoded(renderer.frame(SCENES[name]())).shape[1] == width
    agg = renderer.canvas.get_renderer()
    for panel, (box, _) in zip(renderer.panels, renderer.boxes, strict=True):
        drawn = panel.axes.get_tightbbox(agg)
        assert drawn.x0 >= box.x0 - 2, panel
        assert drawn.y0 >= box.y0 - 2, panel
        assert drawn.x1 <= box.x1 + 2, panel
        assert drawn.y1 <= box.y1 + 2, panel
        title = panel.title.get_window_extent(agg)
        assert box.x0 <= title.x0, panel.title
        assert title.x1 <= box.x1, panel.title
        for text in panel.axes.findobj(Text):
            pixels = text.get_fontsize() * renderer.figure.dpi / 72
            assert pixels >= 12 or not text.get_text(), text


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [280, 559, 560, 900, 1400])
def test_panels_fill_their_grid_and_are_wide_enough(width, count):
    rows = grid(count, width)
    assert sum(map(len, rows)) == count
    for row in rows:
        assert sum(size for _, size in row) == width
        assert all(size >= 280 for _, size in row)


@pytest.mark.parametrize(
    ("name", "only"),  # half of the pairs by default
    [
        pytest.param(name, only, marks=[] if (n + p) % 2 else pytest.mark.nightly)
        for (n, name), (p, only) in itertools.product(enumerate(FEW), enumerate(PICTURES))
    ],
)
def test_each_picture_stands_alone(name, only):
    renderer = Renderer(pictures=[only], width=430)
    pixels = decoded(renderer.frame(SCENES[name]()))
    assert pixels.shape[1] == 430
    assert 200 < len(pixels) < 250
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10
    for other in ("wave, under way", name):
        again = decoded(renderer.frame(SCENES[other]()))
    np.testing.assert_array_equal(again, pixels)


def test_an_unknown_picture_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="is not one of fit, loss, gradients, units"):
        Renderer(pictures=["fit", "weights"])
    assert tuple(PANELS) == PICTURES


def test_a_picture_shows_the_data_in_the_shape_that_it_needs():
    for name in PROBLEMS:
        problem = make_problem(Experiment(problem=name))
        points = show_points(problem)
        if problem.raw_x.shape[1] > 2 or problem.raw_x.dtype.kind == "U":
            assert points is None
        else:
            assert points.shape[1] == problem.raw_x.shape[1]
            for low, high, x in zip(points.min(0), points.max(0), problem.raw_x_val.T, strict=True):
                assert low < x.min() < x.max() < high


# --- what a frame must not hide --------------------------------------------------------------------


def differs(one, other, index):
    """Whether a panel looks different in two scenes."""
    return not np.array_equal(panel(one, index), panel(other, index))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_training_moves_what_it_changes(name):
    first, last = chunks(EXPERIMENTS[name])[0], run_of(EXPERIMENTS[name])
    start, end = fresh(f"{name}, under way"), fresh(name)
    longer = len(first.loss) < len(last.loss)
    units = [not np.array_equal(getattr(first, share)[-1], getattr(last, share)[-1]) for share in ("dead", "saturated")]
    assert longer == (name != "one epoch")
    assert [differs(start, end, index) for index in range(4)] == [longer, longer, longer, any(units)]


@pytest.mark.parametrize("name", ["wave, pinned", "wave, pinned a longer run", "wave, pinned a deeper run"])
def test_what_is_pinned_is_seen_and_can_be_taken_away(name):
    assert [differs(fresh(name), fresh("wave"), index) for index in range(3)] == [True] * 3
    renderer = Renderer()
    renderer.frame(SCENES[name]())
    np.testing.assert_array_equal(decoded(renderer.frame(SCENES["wave"]())), fresh("wave"))


def test_a_study_takes_the_place_of_the_run():
    assert [differs(fresh("wave, study"), fresh("wave"), index) for index in range(3)] == [True] * 3


@pytest.mark.parametrize("name", DIVERGED)
def test_a_diverged_run_says_so_in_every_picture(name):
    assert run_of(DIVERGED[name]).diverged_at is not None
    red = np.array([0xD5, 0x5E, 0x00])
    for index in range(len(PICTURES)):
        near = np.abs(panel(fresh(f"{name}, diverged"), index).astype(int) - red).sum(axis=-1) < 60
        assert near.sum() > 100, PICTURES[index]


# --- many frames of one renderer --------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_live_run_ends_in_the_picture_that_a_new_painter_draws(name):
    renderer = Renderer()
    for run in chunks(EXPERIMENTS[name]):
        blitted = renderer.frame(Scene(run=run), final=run.finished)
    np.testing.assert_array_equal(decoded(blitted), fresh(name))


def test_every_frame_of_a_live_run_is_the_one_that_a_new_painter_draws():
    renderer = Renderer()
    for run in chunks(SMALL.replace(learning_rate=0.1, activation="relu"))[:6]:
        np.testing.assert_array_equal(decoded(renderer.frame(Scene(run=run))), picture(Scene(run=run)))


@pytest.mark.parametrize("share", [8, pytest.param(1, marks=pytest.mark.nightly)])
def test_scenes_in_any_order_leave_no_trace_of_each_other(share):
    renderer, order = Renderer(), np.random.default_rng(share).permutation(list(SCENES))[::share]
    for name in order:
        for _ in range(2):  # redrawn, and from what was kept
            blitted = decoded(renderer.frame(SCENES[name]()))
            np.testing.assert_array_equal(blitted, fresh(name), err_msg=name)


def test_predictions_beyond_the_true_values_stand_at_the_edge():
    run = run_of(SMALL.replace(problem="auto_mpg", epochs=1, learning_rate=1e-5))
    renderer = Renderer(pictures=["fit"], width=430)
    renderer.frame(Scene(run=run))
    (panel,) = renderer.panels
    x, y = panel.dots.get_data()
    low, high = panel.axes.get_ylim()
    assert run.predictions.max() < low  # all are below what is drawn
    assert len(x) == len(run.predictions)
    assert low < y.min() <= y.max() < high


def test_the_names_of_dead_and_saturated_units_stand_above_the_highest_bar():
    renderer = Renderer(pictures=["units"], width=280)
    renderer.frame(SCENES["wave"]())
    (panel,) = renderer.panels
    marker = panel.axes.transData.transform((0, 1))[1] + 4
    boxes = [name.get_window_extent(renderer.canvas.get_renderer()) for name in panel.names]
    assert all(box.y0 > marker for box in boxes)
    assert not boxes[0].overlaps(boxes[1])
