"""helpers/lessons/figures.py: each figure shows what was measured, says it in words, and refuses what it cannot draw."""

import dataclasses
import io

import numpy as np
import pytest
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from helpers import Experiment, train, train_seeds
from helpers.lessons.figures import (
    LOWEST_SKILL,
    SERIES,
    errors,
    fits,
    layers,
    loss_curves,
    paths,
    range_test,
    sizes,
    skills,
    sweep,
    weights_by_epoch,
)
from why_wont_it_learn.pictures import Picture

pytestmark = pytest.mark.numerical

WAVE = Experiment(problem="sine", samples=30, epochs=4, width=4)


@pytest.fixture(scope="module")
def study():
    return train_seeds(WAVE, 6)


@pytest.fixture(scope="module")
def line():
    return train_seeds(WAVE.replace(depth=0), 6)


def with_skill(study, values):
    """The same study with other skills: what the figures say follows from them alone."""
    return dataclasses.replace(study, skill=np.array(values, float))


def line_of(axes, color):
    """The last line of a colour."""
    return [one for one in axes.lines if colors.same_color(one.get_color(), color)][-1]


def texts(picture):
    return [text.get_text() for axes in picture.axes for text in axes.texts]


def test_a_notebook_gets_a_png_and_words(study):
    picture = skills({"two layers": study}, title="A finding")
    data, metadata = picture._repr_mimebundle_()
    image = Image.open(io.BytesIO(data["image/png"]))
    assert image.format == "PNG"
    assert np.asarray(image.convert("L")).std() > 5  # not blank
    assert image.width > metadata["image/png"]["width"]  # sharp on a dense screen
    assert data["text/plain"] == metadata["image/png"]["alt"] == picture.alt
    assert picture.alt.startswith("A finding. two layers: Learned in ")


LONG = "a tenth of the learning rate, and more units"
FIGURES = {
    "loss_curves": lambda study: loss_curves({LONG: study, "two": study}, title="t", training=True),
    "skills": lambda study: skills({LONG: study, "beyond": with_skill(study, [1.2] * 6)}, title="t"),
    "sweep": lambda study: sweep([1, 10], {LONG: [study] * 2, "two": [study] * 2}, label="units", title="t"),
    "errors": lambda study: errors({LONG: {0.0: study, 0.1: study}}, label="strength", title="t", training=True),
    "sizes": lambda study: sizes({LONG: study}, title="t"),
    "layers": lambda study: layers({LONG: study}, title="t"),
    "range_test": lambda study: range_test(study.loss, 10.0 ** np.arange(-4, 0), title="t"),
    "fits": lambda study: fits(dict.fromkeys(("one", "two", "three"), train(study.experiment)), title="t"),
    "paths": lambda study: paths({"one": LINE, "two": LINE}, title="t"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_letter_is_small_and_none_is_cut(name, study):
    picture = FIGURES[name](study)
    renderer = FigureCanvasAgg(picture).get_renderer()
    picture.draw(renderer)
    width, height = picture.get_size_inches() * picture.dpi
    for text in picture.findobj(Text):
        if text.get_text() and text.get_visible() and not text.get_text().startswith("$"):
            assert text.get_fontsize() >= 9, text  # points, which are 12 pixels of a page
        if text in [one for axes in picture.axes for one in axes.texts]:
            box = text.get_window_extent(renderer)
            assert 0 <= box.x0 < box.x1 <= width, text
            assert 0 <= box.y0 < box.y1 <= height, text


def test_dots_beyond_1_do_not_stand_on_the_words_next_to_them(study):
    (axes,) = skills({"beyond": with_skill(study, [1.2] * 6)}, title="t").axes
    assert axes.get_xlim()[1] > 1.2


@pytest.mark.parametrize("draw", [loss_curves, skills, layers])
def test_every_figure_is_a_picture_with_its_title(draw, study, line):
    picture = draw({"none": line, "two": study}, title="A finding")
    assert isinstance(picture, Picture)
    assert picture.get_suptitle() == "A finding"
    assert "none: " in picture.alt
    assert "two: " in picture.alt


def test_a_long_title_takes_two_lines_and_the_axes_keep_their_room(study):
    short, long = (loss_curves({"two": study}, title=title) for title in ("A finding", "A finding of many words " * 6))
    assert long.get_suptitle().count("\n") == 1
    heights = [p.axes[0].get_position().height * p.get_size_inches()[1] for p in (short, long)]
    assert heights[0] == pytest.approx(heights[1])
    title = long.findobj(lambda artist: getattr(artist, "get_text", str)() == long.get_suptitle())[0]
    right = title.get_window_extent(FigureCanvasAgg(long).get_renderer()).x1
    assert right < long.get_size_inches()[0] * long.dpi


def test_a_question_as_title_keeps_its_mark(study):
    assert skills({"two": study}, title="What is this?").alt.startswith("What is this? two: ")


def test_loss_curves_draw_the_median_of_the_seeds(study):
    picture = loss_curves({"two": study}, title="t")
    drawn = line_of(picture.axes[0], SERIES[0])
    assert list(drawn.get_xdata()) == [1, 2, 3, 4]
    middle = np.quantile(study.val_loss, 0.5, axis=0, method="nearest")
    np.testing.assert_allclose(drawn.get_ydata(), middle)
    assert {"two", "baseline", "noise floor"} <= set(texts(picture))


def test_loss_curves_draw_the_training_loss_on_request(study):
    picture = loss_curves({"two": study}, title="t", training=True)
    middle = np.quantile(study.loss, 0.5, axis=0, method="nearest")
    np.testing.assert_allclose(line_of(picture.axes[0], SERIES[0]).get_ydata(), middle)
    assert "two, training" in texts(picture)


def test_loss_curves_show_what_the_constant_and_the_truth_reach(study):
    levels = [line.get_ydata()[0] for line in loss_curves({"two": study}, title="t").axes[0].lines[1:]]
    np.testing.assert_allclose(levels, [np.median(study.baseline), np.median(study.noise_floor)], rtol=1e-6)


def test_loss_curves_of_classes_have_no_truth_on_a_logarithmic_axis():
    moons = train_seeds(Experiment(problem="moons", epochs=2, samples=20, width=3), 3)
    assert "noise floor" not in texts(loss_curves({"moons": moons}, title="t"))


def test_a_divergence_is_said_and_does_not_stretch_the_axis():
    diverged = train_seeds(Experiment(problem="line", optimizer="sgd", learning_rate=1, depth=0, epochs=50), 5)
    picture = loss_curves({"too fast": diverged}, title="t")
    assert "too fast: diverged" in texts(picture)
    assert "5 of 5 seeds diverged" in picture.alt
    assert picture.axes[0].get_ylim()[1] < 1e5 * np.median(diverged.baseline)
    picture._repr_mimebundle_()


def test_skills_draw_every_seed_and_write_the_rate(study):
    picture = skills({"some": with_skill(study, [1, 0.96, 0.94, 0, -0.2, -7])}, title="t")
    drawn = line_of(picture.axes[0], SERIES[0]).get_xdata()
    np.testing.assert_allclose(sorted(drawn), [LOWEST_SKILL, -0.2, 0, 0.94, 0.96, 1])
    assert "33% learned" in texts(picture)
    assert "(10% to 70%)" in texts(picture)


def test_dots_of_equal_skill_do_not_hide_each_other(study):
    drawn = line_of(skills({"some": with_skill(study, [0.5] * 6)}, title="t").axes[0], SERIES[0])
    assert len(set(zip(*drawn.get_data(), strict=True))) == 6


def test_fits_draw_what_the_network_answers():
    runs = {"one": train(WAVE.replace(depth=1, epochs=60)), "two": train(WAVE.replace(epochs=60))}
    picture = fits(runs, title="t")
    assert len(picture.axes) == 2
    assert picture.axes[0].get_ylim() == picture.axes[1].get_ylim()
    for axes, run in zip(picture.axes, runs.values(), strict=True):
        x, y = line_of(axes, SERIES[0]).get_data()
        np.testing.assert_allclose(y, run.model(run.problem.scaled(x))[:, 0], rtol=1e-5, atol=1e-6)
        assert f"{run.skill:.2f}" in axes.get_title(loc="left")


def test_sweep_draws_rates_with_their_interval(study):
    none, some = with_skill(study, [0] * 6), with_skill(study, [1, 1, 1, 0.5, 0, -3])
    picture = sweep([1, 10, 100], [none, some, some], label="units", title="t")
    rate, skill = (line_of(axes, SERIES[0]).get_data() for axes in picture.axes)
    assert list(rate[0]) == [1, 10, 100]
    np.testing.assert_allclose(rate[1], [0, 0.5, 0.5])
    np.testing.assert_allclose(skill[1], [0, 0.5, 0.5])
    band = picture.axes[0].collections[0].get_datalim(picture.axes[0].transData)
    assert band.y1 == pytest.approx(some.interval[1])
    assert "1 0%, 10 50%, 100 50%" in picture.alt


@pytest.mark.parametrize(
    ("values", "scale", "shown"),
    [
        ([1, 4, 16], "log", ["1", "4", "16"]),
        ([1, 2, 3], "linear", ["1", "2", "3"]),
        ([0, 0.001, 0.1], "linear", ["0", "0.001", "0.1"]),
        (["tanh", "relu", None], "linear", ["tanh", "relu", "all"]),
    ],
)
def test_sweep_takes_the_axis_that_fits_the_values(study, values, scale, shown):
    axes = sweep(values, [study] * 3, label="setting", title="t").axes[0]
    assert axes.get_xscale() == scale
    assert [tick.get_text() for tick in axes.get_xticklabels()] == shown
    spots = axes.transData.transform([(x, 0) for x in axes.get_xticks()])[:, 0]
    assert min(np.diff(spots)) > 30  # pixels: the labels are apart


def test_sweep_of_several_series_names_them(study, line):
    picture = sweep([1, 2], {"two": [study, study], "none": [line, line]}, label="units", title="t")
    assert {"two", "none"} <= set(texts(picture))


def test_the_lines_of_a_sweep_are_named_beside_it(study):
    picture = sweep([0, 2, 4], [with_skill(study, [0.9] * 6)] * 3, label="units", title="t")
    axes = picture.axes[1]
    names = [text for text in axes.texts if text.get_text() in ("learned", "baseline")]
    assert len(names) == 2
    assert all(
        text.get_window_extent().x0 >= axes.get_window_extent().x1 for text in names
    )  # no curve runs through them


def test_layers_draw_the_median_of_each_layer(study):
    picture = layers({"two": study}, title="t", epoch=-1)
    middle = np.quantile(study.gradient_norm[:, -1], 0.5, axis=0, method="nearest")
    np.testing.assert_allclose(line_of(picture.axes[0], SERIES[0]).get_ydata(), middle)
    assert [tick.get_text() for tick in picture.axes[0].get_xticklabels()] == ["1", "2", "out"]
    assert picture.axes[0].get_yscale() == "log"


def test_layers_draw_shares_of_units(study):
    picture = layers({"two": study}, title="t", measure="dead")
    assert picture.axes[0].get_yscale() == "linear"
    assert len(line_of(picture.axes[0], SERIES[0]).get_ydata()) == WAVE.depth


def test_labels_stay_apart(study):
    picture = loss_curves(dict.fromkeys(("a", "b", "c", "d"), study), title="t")
    heights = sorted(text.get_position()[1] for text in picture.axes[0].texts)
    points = picture.axes[0].get_position().height * picture.get_size_inches()[1] * 72
    assert min(np.diff(heights)) * points > 10


def test_a_label_stands_beside_what_it_names_where_no_other_is_near(study):
    axes = loss_curves(dict.fromkeys(("a", "b", "c", "d"), study), title="t").axes[0]
    truth = next(text for text in axes.texts if text.get_text() == "noise floor").get_position()[1]
    low, high = np.log10(axes.get_ylim())
    assert truth == pytest.approx((np.log10(np.median(study.noise_floor)) - low) / (high - low), abs=0.01)


def test_what_cannot_be_drawn_is_refused(study, line):
    with pytest.raises(ValueError, match=r'needs a dictionary such as \{"label": ...\}, not SeedStudy'):
        skills(study, title="t")
    with pytest.raises(ValueError, match="draws a Run for each label; 'two' is a SeedStudy"):
        fits({"two": study}, title="t")
    with pytest.raises(ValueError, match="sweep has 3 values, but the list holds 1 studies"):
        sweep([1, 2, 3], [study], label="units", title="t")
    with pytest.raises(ValueError, match="measure='ded' is not one of gradient_norm, update_ratio, dead, saturated"):
        layers({"two": study}, title="t", measure="ded")
    with pytest.raises(ValueError, match="'none' has no hidden layer"):
        layers({"none": line}, title="t", measure="dead")
    with pytest.raises(ValueError, match="one input; that of 'b' has 2"):
        fits({"a": train(WAVE), "b": train(Experiment(problem="xor", epochs=1))}, title="t")


# --- two weights on their way ---

LINE = Experiment(problem="line", depth=0, optimizer="sgd", learning_rate=0.02, batch_size=None, epochs=12)


def test_weights_by_epoch_are_those_of_shorter_trainings():
    way = weights_by_epoch(LINE)
    assert way.shape == (13, 2)
    assert way[0, 1] == 0  # the bias starts there
    for epochs in (1, 5, 12):
        slope, bias = train(LINE.replace(epochs=epochs)).weights
        np.testing.assert_allclose(way[epochs], [slope[0, 0], bias[0]], rtol=1e-5)


def test_weights_by_epoch_follow_gradient_descent():
    way, problem = weights_by_epoch(LINE), train(LINE).problem
    columns = np.column_stack([problem.x.astype(float), np.ones(len(problem.x))])
    for before, after in zip(way[:-1], way[1:], strict=True):
        gradient = 2 / len(columns) * columns.T @ (columns @ before - problem.y[:, 0])
        np.testing.assert_allclose(after, before - 0.02 * gradient, atol=1e-4)


def test_paths_lead_to_the_minimum_on_axes_of_one_scale():
    standardised = LINE.replace(scaling="standard", learning_rate=0.4)
    adam = standardised.replace(optimizer="adam")
    picture = paths({"as it is": LINE, "round": standardised, "round, adam": adam}, title="t")
    for axes, experiment in zip(picture.axes[:2], (LINE, standardised), strict=True):
        drawn = axes.lines[0].get_xydata()
        np.testing.assert_allclose(drawn, weights_by_epoch(experiment))
        problem = train(experiment).problem
        slope, bias = np.polyfit(problem.x[:, 0], problem.y[:, 0], 1)
        np.testing.assert_allclose(axes.lines[-1].get_xydata()[0], [slope, bias], rtol=1e-3)
        corner, right, up = axes.transData.transform([(0, 0), (1, 0), (0, 1)])
        assert right[0] - corner[0] == pytest.approx(up[1] - corner[1])
        for x, y in drawn:
            assert axes.get_xlim()[0] < x < axes.get_xlim()[1]
            assert axes.get_ylim()[0] < y < axes.get_ylim()[1]
    assert picture.axes[1].get_xlim() == pytest.approx(picture.axes[2].get_xlim())  # the same data
    assert "as it is: condition number 138; from " in picture.alt
    assert "round: condition number 1; from " in picture.alt


def test_a_path_that_diverges_is_said_and_does_not_stretch_the_picture():
    wild = LINE.replace(learning_rate=0.05, epochs=300)
    picture = paths({"wild": wild}, title="t")
    assert picture.alt.endswith("it diverged.")
    assert np.ptp(picture.axes[0].get_xlim()) < 100
    picture._repr_mimebundle_()


@pytest.mark.parametrize("change", [{"depth": 1}, {"problem": "product"}, {"problem": "moons"}])
def test_paths_refuse_what_has_not_two_weights(change):
    with pytest.raises(ValueError, match="networks of two weights"):
        paths({"a": LINE.replace(**change)}, title="t")


# --- penalties ---


def test_errors_are_those_of_the_studies_and_hold_no_penalty(study):
    pulled = train_seeds(WAVE.replace(l2=0.5), 6)
    picture = errors({"L2": {0.0: study, 0.5: pulled}}, label="strength", title="A finding", training=True)
    (axes,) = picture.axes
    validation, training = [line for line in axes.lines if colors.same_color(line.get_color(), SERIES[0])]
    np.testing.assert_allclose(validation.get_ydata(), [np.median(study.error), np.median(pulled.error)], rtol=0.2)
    kernels = [pulled.weights[:, :4], pulled.weights[:, 8:24], pulled.weights[:, 28:32]]
    penalty = 0.5 * sum(np.square(kernel).sum(axis=1) for kernel in kernels)
    assert training.get_ydata()[-1] == pytest.approx(np.median(pulled.loss[:, -1] - penalty), rel=1e-5)
    assert "validation error by strength" in picture.alt


def test_sizes_go_from_the_largest_weight_to_the_smallest(study):
    none = dataclasses.replace(study, weights=np.zeros_like(study.weights))
    picture = sizes({"as it is": study, "no weight": none}, title="A finding", weights=slice(0, 4))
    drawn = line_of(picture.axes[0], SERIES[0]).get_ydata()
    assert list(drawn) == sorted(drawn, reverse=True)
    assert len(drawn) == 4
    assert "no weight: 100% of the weights are below 0.01" in picture.alt
    assert "below 0.01: counts as 0" in texts(picture)
    renderer = FigureCanvasAgg(picture).get_renderer()
    right = max(text.get_window_extent(renderer).x1 for text in picture.axes[0].texts)
    assert right < picture.get_size_inches()[0] * picture.dpi


@pytest.mark.parametrize("figure", [errors, sizes])
def test_figures_of_penalties_need_studies(figure):
    arguments = {"title": "A finding"} | ({"label": "strength"} if figure is errors else {})
    with pytest.raises(ValueError, match="SeedStudy"):
        figure({"one": {0.1: 3}} if figure is errors else {"one": 3}, **arguments)


def test_a_range_test_marks_the_lowest_loss_and_a_tenth_of_its_learning_rate():
    rates = 10.0 ** np.arange(-4, 2)
    falls, diverges = [1, 0.9, 0.5, 0.2, 3, np.nan], [1, 0.8, 0.4, 0.1, np.inf, np.nan]
    picture = range_test([falls, diverges, falls], rates, title="A finding")
    assert texts(picture) == ["lowest: 0.1", "a tenth of it: 0.01"]
    assert "lowest at a learning rate of 0.1, medians over the seeds; a tenth of that is 0.01" in picture.alt
    assert picture.axes[0].get_ylim()[1] == pytest.approx(10)


def test_a_range_test_needs_a_learning_rate_for_each_step():
    with pytest.raises(ValueError, match=r"not \(2, 5\) and \(4,\)"):
        range_test(np.ones((2, 5)), np.ones(4), title="A finding")
