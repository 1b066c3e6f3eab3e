"""`Lab`: the controls beside the pictures. Moving a control trains the new setting at once and drops the old one.

The page (lab.js) shows what the kernel says and sends what the person did. Each request carries a generation number, one
higher than the last; the kernel answers the newest only, and the page shows no frame of an older one.
"""

import asyncio
import dataclasses
import threading
from pathlib import Path

import anywidget
import traitlets

from . import plots
from .catalog import OPTIMIZERS
from .diagnosis import findings
from .experiment import SETTINGS, Experiment, unknown
from .problems import make_problem
from .training import has_graph, stream, stream_seeds

HERE = Path(__file__).parent
SEEDS = 100
IDLE = 0.25  # seconds without a request after which the lab prepares for the next one


class LabView(anywidget.AnyWidget):
    """What the page knows. `state` and `picture` of one frame always travel in one message."""

    _esm = HERE / "lab.js"
    _css = HERE / "lab.css"

    controls = traitlets.List().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)


class Lab:
    """A laboratory for one experiment: displays itself as the last expression of a cell.

    Without a browser it runs its first setting to the end and shows the finished picture and the text.

    Args:
        experiment: the first setting; what has no control stays as it is here.
        controls: names of the fields that get a control, in any order; all of them if None.
        pictures: which pictures, of "fit", "loss", "gradients", "units".
        seeds: how many seeds the button "100 seeds" trains.

    Attributes:
        experiment: the present setting.
        run, study: the finished `Run` or `SeedStudy` of it, or None.
        text: the summary that stands below the pictures.
    """

    def __init__(self, experiment, controls=None, pictures=plots.PICTURES, seeds=SEEDS):
        if not isinstance(experiment, Experiment):
            raise ValueError(f"Lab needs an Experiment, not {type(experiment).__name__}: Lab(Experiment(depth=3)).")
        unknown(controls or ())
        self.names = [name for name in SETTINGS if controls is None or name in controls]
        self.first = self.experiment = experiment
        self.seeds = seeds
        self.run = self.study = self.pinned = None
        self.text = ""
        self.pictures = tuple(pictures)
        self.painter = plots.Painter(self.pictures)
        self.generation = 0
        self.note = ""
        self._frames = 0
        self._moved = next((name for name in ("depth", "width", "activation") if name in self.names), None)
        self._scene = None
        self._task = None
        self._loop = None
        self.view = None

    # --- on the page -----------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, **kwargs):
        if self.view is None:
            self._open()
        bundle = self.view._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        kind, picture = self.painter.frame(self._scene)
        return {**data, f"image/{kind}": picture, "text/plain": self.text}, metadata

    def _open(self):
        self.view = LabView()
        self.view.on_msg(self._receive)
        self._say_controls()
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None  # no event loop: the lab shows its first setting and answers requests one by one
        self._thread = threading.get_ident()
        for run in stream(self.experiment, seconds=None, x_show=self._show_points()):
            self.run = run
        self._show(plots.Scene(run=self.run))
        if self._loop is not None:
            self._task = self._loop.create_task(self._prepare_neighbours())

    def _receive(self, widget, message, buffers):
        """A request of the page; it may arrive on any thread."""
        if self._loop is None or threading.get_ident() == self._thread:
            self._request(message)
        else:
            self._loop.call_soon_threadsafe(self._request, message)

    def _request(self, message):
        action = message.get("action")
        self.generation = max(self.generation, message.get("generation", 0))
        if action in ("set", "reset", "load"):
            self._change(action, message)
        elif action == "seeds":
            self._start(self._train_seeds())
        elif action == "stop":
            self._stop()
        elif action == "pin":
            self.pinned = None if self.pinned else (self.study or self.run)
            self._show(dataclasses.replace(self._scene, pinned=self.pinned))
        elif action == "size":
            self.painter = plots.Painter(self.pictures, *_size(message))
            self._show(self._scene)

    def _change(self, action, message):
        """A new setting, from the controls, from a shared text, or the first one again."""
        self.note = ""
        try:
            if action == "set":
                values = {name: self._ladder(name)[i] for name, i in message["indices"].items()}
                self._moved = next(iter(values))
                experiment = self.experiment.replace(**values)
            elif action == "load":
                experiment = Experiment.from_json(message["text"].strip())
            else:
                experiment = self.first
        except ValueError as error:
            self.note = str(error)
            self._show(self._scene)
            return
        self.experiment = experiment
        self._say_controls()
        self._start(self._train())

    def _start(self, work):
        if self._loop is None:
            asyncio.run(work)
            return
        if self._task is not None:
            self._task.cancel()
        self._task = self._loop.create_task(work)

    def _stop(self):
        if self._task is not None and not self._finished:
            self._task.cancel()
            self.note = f"Stopped after epoch {len(self._scene.run.loss)}." if self._scene.study is None else "Stopped."
        self._show(self._scene)

    @property
    def _finished(self):
        return (self._scene.study.done >= 1) if self._scene.study else self._scene.run.finished

    # --- training --------------------------------------------------------------------------------------------------

    async def _train(self):
        await asyncio.sleep(0)
        self.run = self.study = None
        for run in stream(self.experiment, x_show=self._show_points()):
            if run.finished:
                self.run = run
            self._show(plots.Scene(run=run, pinned=self.pinned), running=not run.finished)
            await asyncio.sleep(0.001)  # lets a newer request in
        await self._prepare_neighbours()

    async def _prepare_neighbours(self):
        """While nobody moves anything: make the graphs of the next stops of the control that was moved last."""
        for neighbour in self._neighbours():
            await asyncio.sleep(IDLE)
            if not has_graph(neighbour):
                for _ in stream(neighbour.replace(epochs=1)):
                    pass

    def _neighbours(self):
        if self._moved is None:
            return []
        ladder = self._ladder(self._moved)
        here = ladder.index(getattr(self.experiment, self._moved))
        stops = [ladder[i] for i in (here + 1, here - 1) if 0 <= i < len(ladder)]
        return [self.experiment.replace(**{self._moved: stop}) for stop in stops]

    async def _train_seeds(self):
        await asyncio.sleep(0)
        self.study = None
        for study in stream_seeds(self.experiment, self.seeds):
            if study.done >= 1:
                self.study = study
            self._show(dataclasses.replace(self._scene, study=study), running=study.done < 1)
            await asyncio.sleep(0.001)

    def _show_points(self):
        problem = make_problem(self.experiment)
        points = plots.show_points(problem)
        return None if points is None else problem.scaled(points)

    # --- what is shown ---------------------------------------------------------------------------------------------

    def _show(self, scene, running=False):
        self._scene = scene
        self.text = self._summary(scene, running)
        kind, picture = self.painter.frame(scene, final=not running)
        done = scene.study.done if scene.study else len(scene.run.loss) / scene.run.experiment.epochs
        self._frames += 1
        with self.view.hold_sync():
            self.view.picture = picture
            self.view.state = {
                "frame": self._frames,
                "generation": self.generation,
                "kind": kind,
                "running": running,
                "done": done,
                "progress": f"{len(scene.study.seeds)} seeds" if scene.study
                else f"epoch {len(scene.run.loss)} of {scene.run.experiment.epochs}",
                "text": self.text,
                "learned": bool(scene.run.learned) if not scene.study else scene.study.success_rate >= 0.5,
                "note": self.note,
                "pinned": self.pinned is not None,
                "seeds": self.seeds,
                "code": self.experiment.to_keras() if not running else "",
                "share": self.experiment.to_json(),
            }  # fmt: skip

    def _summary(self, scene, running):
        """The picture in words."""
        if scene.study:
            return scene.study.verdict
        run = scene.run
        problem = run.problem
        words = [run.verdict if not running else f"Training: skill {run.skill:.2f} so far."]
        if run.diverged_at is None:
            words.append(
                f"Validation loss {plots.number(run.val_loss[-1])}, where a constant has "
                f"{plots.number(problem.loss_of_constant)} and the {problem.floor_name} {plots.number(problem.loss_of_truth)}."
            )
        if not running:
            causes = findings(run)
            if causes:
                words.append(f"Likely cause: {causes[0]}")
        return " ".join(words)

    def _ladder(self, name):
        """The values that the control of a field offers for the present experiment."""
        return self.experiment.stops(name)

    def _say_controls(self):
        self.view.controls = [self._control(name) for name in self.names]

    def _control(self, name):
        setting, value, ladder = SETTINGS[name], getattr(self.experiment, name), self._ladder(name)
        e = self.experiment
        unused = {
            "width": not e.depth, "activation": not e.depth, "dropout": not e.depth,
            **{field: field not in OPTIMIZERS[e.optimizer].uses for field in ("momentum", "weight_decay")},
        }.get(name, False)  # fmt: skip
        return {
            "name": name,
            "group": setting.group,
            "label": setting.label,
            "help": setting.choices[value] if setting.choices else setting.help,
            "unit": setting.unit,
            "choice": setting.choices is not None,
            "options": [_shown(option, setting) for option in ladder],
            "index": ladder.index(value),
            "unused": unused,
        }


def _shown(value, setting):
    if value is None:
        return "all"
    return value if isinstance(value, str) else f"{value:g}"


def _size(message):
    """Width and scale of the picture that a page asked for, within reason."""
    width = min(1400, max(320, int(message.get("width", 860))))
    return width, min(2.0, max(1.0, float(message.get("scale", 1.0))))
