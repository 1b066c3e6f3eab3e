"""Run a training script unchanged, watch every `fit` in it, and diagnose the model that learned least, if any did not learn.

    python -m why_wont_it_learn [--budget SECONDS] [--stop] [--report FILE] train.py [its arguments ...]

The script runs as with `python train.py ...`: its arguments, `__main__`, relative files, output and exit code are the same.
"""

import argparse
import contextlib
import inspect
import sys
import traceback
import types
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from . import Watch, diagnose
from .engine.records import LEARNED

BUDGET = 30.0


@dataclass
class FitCall:
    """One call of `model.fit` in the script: the model, its arguments by name, and the callback that watched it."""

    model: keras.Model
    arguments: dict
    watch: Watch


def main(arguments=None):
    """Run the command; returns the exit code that `sys.exit` takes, a number, a text or None."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    fits = []
    with _watched(fits, options.stop):
        code = _run(options.script, options.arguments)
    _report(fits, options)
    return code


def _options(arguments):
    parser = argparse.ArgumentParser("python -m why_wont_it_learn", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--budget", type=_seconds, default=BUDGET, help="seconds for the diagnosis; 0 for none (default: %(default)g)"
    )
    parser.add_argument("--stop", action="store_true", help="end a hopeless training early")
    parser.add_argument("--report", metavar="FILE", help="also save the diagnosis as a web page")
    parser.add_argument("script", help="the Python program to run")
    own = parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments that are passed on to the program")
    own.required = False  # or Python 3.11 says that they are missing, too, where the script is
    options = parser.parse_args(arguments)
    if not Path(options.script).is_file():
        parser.error(f"there is no file {options.script!r} here: give the path of a Python program")
    if options.report:
        options.report = Path(options.report).absolute()  # the program may change the folder
        if not options.report.parent.is_dir():
            parser.error(f"there is no folder {str(options.report.parent)!r} for the report: make it first")
    return options


def _seconds(text):
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds of 0 or more")


@contextlib.contextmanager
def _watched(fits, stop):
    """While active, every `fit` of a Keras model has a `Watch` among its callbacks, and `fits` gets a `FitCall` for it."""
    fit = keras.Model.fit
    signature = inspect.signature(fit)

    def watched_fit(*given, **named):
        bound = signature.bind(*given, **named)
        arguments = bound.arguments
        data = {name: arguments.get(name) for name in ("x", "y", "validation_data")}
        watch = Watch(**data, stop=stop)
        callbacks = arguments.get("callbacks") or []
        callbacks = getattr(callbacks, "callbacks", callbacks)  # a CallbackList would not tell the watch its model
        arguments["callbacks"] = [*keras.tree.flatten(callbacks), watch]
        model = arguments.pop("self")
        fits.append(FitCall(model, dict(arguments), watch))
        return fit(model, *bound.args, **bound.kwargs)

    keras.Model.fit = watched_fit
    try:
        yield
    finally:
        keras.Model.fit = fit


def _run(script, arguments):
    """Run a program as `python script arguments` does; returns its exit code."""
    path = Path(script).absolute()
    main_module = types.ModuleType("__main__")
    main_module.__dict__.update(__file__=str(path), __builtins__=__builtins__, __cached__=None)
    # It stays in sys.modules: functions of the script, such as a loss, are called after its end.
    sys.modules["__main__"] = main_module
    sys.argv = [script, *arguments]
    sys.path[0] = str(path.resolve().parent)
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), main_module.__dict__)
    except SystemExit as ended:
        return ended.code
    except BaseException as error:
        of_the_script = error.__traceback__.tb_next  # without this function's own frame
        traceback.print_exception(type(error), error, of_the_script)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _by_model(fits):
    """One `FitCall` for each model, in the order of their first: a model that is fitted again goes on, for the sum of the epochs."""
    last = {}
    for one in fits:
        epochs = len(one.watch.record.history.get("loss", ()))
        if id(one.model) in last:
            epochs += last[id(one.model)].arguments["epochs"]
        last[id(one.model)] = FitCall(one.model, {**one.arguments, "epochs": max(1, epochs)}, one.watch)
    return list(last.values())


def _report(fits, options):
    """Print a diagnosis of the model that learned least, if any did not learn."""
    models = _by_model(fits)
    if not models:
        print(
            "\nwhy_wont_it_learn: the program never called `fit` on a Keras 3 model, so there is nothing to diagnose."
        )
        return
    failed = [one for one in models if not one.watch.skill >= LEARNED]
    watched = f"{len(models)} model{'s' * (len(models) > 1)} watched"
    if not failed:
        print(f"\nwhy_wont_it_learn: {watched}; the skill at the end is at least {LEARNED}.")
        return
    if not options.budget:
        return
    worst = min(failed, key=lambda one: -np.inf if np.isnan(one.watch.skill) else one.watch.skill)
    print(f"\nwhy_wont_it_learn: {watched}. Diagnosis of model {models.index(worst) + 1} ({worst.model.name}):\n")
    taken = inspect.signature(diagnose).parameters
    given = {name: value for name, value in worst.arguments.items() if name in taken and value is not None}
    try:
        report = diagnose(worst.model, budget=options.budget, **given)
    except ValueError as refusal:
        print(refusal)
        return
    print(report)
    if options.report:
        report.save(options.report)


if __name__ == "__main__":
    sys.exit(main())
