"""Traces the graphs of the networks that the labs of the lessons offer, so that nobody has to wait for them later.

python run.py bake [lessons]. The graphs go where the engine keeps them: the user's cache folder, or WHY_WONT_IT_LEARN_CACHE.
An image can be filled as another user: WHY_WONT_IT_LEARN_CACHE_READONLY names the folder then.
"""

import sys
from itertools import product

import tensorflow as tf

from helpers.experiments.jobs import graph_key, job_of, predictor_of
from helpers.experiments.problems import make_problem
from helpers.lab.lab import LAB_SEEDS
from helpers.rescue import possible

from .labs import main_lab, names

TOGETHER = ("depth", "width")  # controls of which each pair of values is a network that somebody will want


def experiments(lab):
    """The experiments that moving one control of a lab leads to, or depth and width to slider values of the site; one for each graph."""
    first = lab.experiment
    moves = [{name: value} for name in lab.slider_values for value in first.slider_values(name)]
    if set(TOGETHER) <= set(lab.slider_values):
        moves += [
            dict(zip(TOGETHER, pair, strict=True)) for pair in product(*(lab.slider_values[name] for name in TOGETHER))
        ]
    found = {graph_key(first): first}
    for changes in moves:
        if experiment := possible(first, **changes):
            found.setdefault(graph_key(experiment), experiment)
    return list(found.values())


def bake(experiment, seeds=None):
    """Trace what training an experiment needs: one network, or as many as there are seeds."""
    many = seeds is not None
    job = job_of(experiment, range(seeds) if many else [experiment.seed], many)
    x = make_problem(experiment).x_val
    predictor_of(experiment, job.graph, tf.constant([x] * seeds if many else x))


def main(lessons):
    """Bake the named lessons, or all."""
    for lesson in lessons or names():
        lab = main_lab(lesson)
        todo = experiments(lab)
        for experiment in todo:
            bake(experiment)
        bake(lab.experiment, LAB_SEEDS)
        print(f"{lesson}: {len(todo) + 1} graphs", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
