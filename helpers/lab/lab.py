"""`Lab`: controls next to plots. Moving a control trains the new settings at once and drops the old run.

The front end (lab.js) shows the state that the kernel sends, and sends what the person did. Each request carries a generation
number, one higher than the last; the kernel answers the newest only, and the front end shows no frame of an older one.
"""

import asyncio
import dataclasses
import itertools
import os
import time
import weakref
from pathlib import Path

import anywidget
import keras
import traitlets

from why_wont_it_learn.engine.cache import give_back

from .. import rescue
from ..experiments.experiment import FIELDS, Experiment, check_experiment, unknown, value_text
from ..experiments.jobs import has_graph, has_room
from ..experiments.keras_program import to_keras
from ..experiments.own_model import experiment_of
from ..experiments.symptoms import findings
from ..experiments.training import stream, stream_seeds
from ..lessons import predictions
from . import plots
from .kernel_widget import KernelWidget, in_background

HERE = Path(__file__).parent
LAB_SEEDS = 100
WITHHELD = "The likely cause is shown once you have committed to the predictions above."
IDLE = 1.0  # seconds without a request, after which the lab prepares the next graph: a move would wait for it

_training = weakref.WeakSet()  # the labs that train right now: while there is one, no other prepares anything


class LabView(anywidget.AnyWidget):
    """What the front end knows. `state` and `picture` of one frame always travel in one message."""

    _esm = (HERE / "widget.js").read_text("utf-8") + (HERE / "lab.js").read_text("utf-8")
    _css = HERE / "lab.css"

    controls = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)


class Lab(KernelWidget):
    """A laboratory for one experiment: controls, plots of the training, and the same in words.

    It displays itself as the last expression of a cell, as often as you like: all displays show the same. Moving a control
    starts a new training at once and drops the old one. With no browser attached it runs its first settings to the end
    and shows the finished picture and the text. In a lesson, it names the likely cause of a failure once the predictions
    that were asked before it are committed to.

    The buttons: *Stop* keeps what there is. *100 seeds* trains the settings with many seeds. *Rescue* looks for the smallest
    change that makes the settings learn, and shows it next to the failing run, if you have pinned nothing else. *Pin* keeps
    the last finished run, or the seeds, in the plots next to the following ones. *Code* shows the Keras program of the settings.
    *Share* shows them as a short text, and loads others. *Reset* goes back to the first settings.

    Args:
        experiment: the first settings; a field without a control keeps its value, until others are loaded or shown. Or a
            compiled `keras.Sequential` of Dense layers, with its data: the lab draws fresh initial weights for it, and keeps a
            quarter of the rows for validation.
        x, y: the data of a Keras model, as `table` takes them; epochs, batch_size: how it is trained, 100 and 32 if not given.
        controls: names of the fields that get a control, in any order; all of them if None.
        pictures: which plots, of "fit", "loss", "gradients", "units".
        seeds: how many seeds the button "100 seeds" trains.

    Attributes:
        experiment: the present settings.
        run: the finished `Run` of it; None while it trains, and after Stop.
        study: the finished `SeedStudy` of it, or None.
        pinned: the `Run` or `SeedStudy` that is kept for comparison, or None.
        text: the summary below the plots.

    >>> lab = Lab(Experiment(problem="sine", depth=0), controls=["depth", "width"])
    >>> lab.show(lab.experiment.replace(depth=2))
    >>> lab.run.skill, lab.text

    A model of your own, which a ValueError refuses with a sentence if no setting of the lab can express it:

    >>> Lab(model, x, y, epochs=100)
    """

    def __init__(
        self,
        experiment,
        x=None,
        y=None,
        *,
        epochs=None,
        batch_size=None,
        controls=None,
        pictures=plots.PICTURES,
        seeds=LAB_SEEDS,
    ):
        super().__init__()
        if isinstance(experiment, keras.Model):
            epochs, batch_size = 100 if epochs is None else epochs, 32 if batch_size is None else batch_size
            experiment = experiment_of(experiment, x, y, epochs, batch_size)
        elif any(given is not None for given in (x, y, epochs, batch_size)):
            raise ValueError(
                "x, y, epochs and batch_size go with a Keras model. An Experiment has its own: Experiment(epochs=…); controls are "
                "given by name: controls=[…]."
            )
        check_experiment(experiment, "Lab")
        unknown(controls or ())
        self.names = [n for n in FIELDS if (controls is None or n in controls) and experiment.offers(n)]
        self.first = self.experiment = experiment
        self.seeds = seeds
        self.run = self.study = self.pinned = None
        self.text = ""
        self.pictures = tuple(pictures)
        self.renderer = plots.Renderer(self.pictures)
        self.generation = 0
        self.running = False
        own = experiment.source.own
        self.note = own.text if own else ""
        self.refused = False  # whether the note tells of something that was not done
        self._frames = 0
        self._epochs = 0  # that the present training has shown
        self._moved = next((name for name in ("depth", "width", "activation") if name in self.names), None)
        self._way = 1  # up, or down
        self._scene = None
        self._finished = None  # the last Run or SeedStudy that came to its end
        self._task = None
        self._work = None  # the last that was begun: `_train`, `_train_seeds` or `_rescue`
        self._rescued_from = None  # the failing `Run` that the last rescue pinned
        self._found = None  # the `Rescue` so far, while it is looked for
        self._asked = tuple(predictions.asked_here)
        predictions.followers.add(self)
        self._find_loop()

    def show(self, experiment):
        """Put an experiment into the lab and train it, as if somebody had moved the controls there.

        Good from any thread, and whether the lab is on a page or not. In a notebook it returns at once and `run` follows;
        in a plain Python program it returns when the training is done.
        """
        check_experiment(experiment, "Lab.show")
        self._on_loop(self._show_experiment, experiment)

    def committed(self):
        """Somebody has committed to a prediction: show what was withheld for it."""
        if self._scene is not None and not self.running:
            self._on_loop(self._show_scene, self._scene)

    # --- where the work is done --------------------------------------------------------------------------------------

    def _start(self, work):
        """Drop what is under way and do this instead."""
        self.running, self._epochs, self._found, self._work = True, 0, None, work
        KernelWidget.last_frame = time.monotonic()
        if self._loop is None:
            asyncio.run(self._guarded(work))
            return
        if self._task is not None:
            self._task.cancel()
        self._task = self._loop.create_task(self._guarded(work))

    async def _guarded(self, work):
        """Whatever goes wrong in a training, the front end is told that it has ended, and the next request is answered."""
        try:
            await asyncio.sleep(0)  # of requests that arrive together only the last one begins
            _training.add(self)
            await work()
            _training.discard(self)
            give_back()
            if self._loop is not None:
                await self._prepare_neighbours()
        except KeyboardInterrupt:
            self._stop()
        except Exception as error:
            self.running = False
            self._show_note(f"Training failed: {type(error).__name__}: {error}", refused=True)
            raise
        finally:
            _training.discard(self)

    # --- the front end ------------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, **kwargs):
        if self._loop is None:
            self._find_loop()
        if self._scene is None or (self.running and self._work == self._train):
            self._train_now()  # a saved notebook shows the finished picture
        if self.view is None:
            self.view = LabView()
            self.view.on_msg(self._receive)
            self._send_controls()
            self._show_scene(self._scene)
            if self._loop is not None:
                self._task = self._loop.create_task(self._prepare_neighbours())
        renderer = plots.Renderer(self.pictures) if self.renderer.look[2] else self.renderer  # on paper it is light
        kind, picture = renderer.frame(self._scene)
        return self._shown(kwargs, **{f"image/{kind}": picture})

    def _request(self, message):
        action = message.get("action")
        self.generation = max(self.generation, message.get("generation", 0))
        if action in ("set", "reset", "load"):
            self._change(action, message)
        elif action in ("seeds", "rescue"):
            self._set_note("")
            self._start(self._train_seeds if action == "seeds" else self._rescue)
        elif action == "stop":
            self._stop()
        elif action == "pin":
            self.pinned = None if self.pinned else self._finished
            self._show_scene(dataclasses.replace(self._scene, pinned=self.pinned))
        elif action == "size":
            look = plots.asked_look(message, 860, 1400)
            if look != self.renderer.look:
                self.renderer = plots.Renderer(self.pictures, *look)
            self._show_scene(self._scene)

    def _change(self, action, message):
        """A new setting, from the controls, from a shared text, or the first one again."""
        try:
            if action == "set":
                values = {name: self._slider_value(name, index) for name, index in message["indices"].items()}
                experiment = self.experiment.replace(**values)
                self._moved = name = next(iter(values))
                back = self._index(experiment, name) < self._index(self.experiment, name)
                self._way = -1 if back else 1
            elif action == "load":
                experiment = Experiment.from_json(message["text"].strip(), self.first.problem)
            else:
                experiment = self.first
        except ValueError as error:
            self._send_controls()  # back to where they were
            self._show_note(str(error), refused=True)
            return
        self._show_experiment(experiment)

    def _show_experiment(self, experiment):
        self._set_experiment(experiment)
        self._start(self._train)

    def _set_experiment(self, experiment):
        """Set the controls to an experiment."""
        before, self.experiment = self.experiment, experiment
        # What changed and cannot be seen from the controls is said in words.
        hidden = [name for name in FIELDS if name not in self.names]
        changed = [name for name in hidden if getattr(before, name) != getattr(experiment, name)]
        words = ", ".join(f"{FIELDS[name].label} {value_text(getattr(experiment, name))}" for name in changed)
        self._set_note(f"Also changed (no control here): {words}." if words else "")
        self.run = self.study = None
        self._send_controls()

    def _stop(self):
        if not self.running:  # it ended while the request was on its way, and the page waits for an answer to that
            self._show_note(self.note, self.refused)
        else:
            if self._task is not None:
                self._task.cancel()
            self.running = False
            if self._found:
                self._show_note(f"Stopped looking for a rescue. Changes tried: {len(self._found.trials)}.")
            elif self._epochs:
                self._show_note(f"Stopped after epoch {self._epochs} of {self.experiment.epochs}.")
            else:
                self._show_note("Stopped before the first epoch. The plots show the previous run.")

    # --- training ----------------------------------------------------------------------------------------------------

    def _stream(self, experiment, seconds=0.03):
        """The `Run`s of an experiment so far, with what is shown of it; also within an epoch, so that it can be dropped then."""
        return stream(experiment, seconds=seconds, x_show=plots.shown_inputs(experiment), within_epochs=True)

    def _train_now(self):
        """Train the present setting to its end, before anything else."""
        if self._task is not None:
            self._task.cancel()
        for run in self._stream(self.experiment, seconds=None):
            self._show_run(run)

    async def _train(self):
        async for run in in_background(self._stream(self.experiment)):
            if run.finished or len(run.loss) > self._epochs:
                self._show_run(run)

    def _show_run(self, run):
        self.running, self._epochs = not run.finished, len(run.loss)
        if run.finished:
            self.run = self._finished = run
        self._show_scene(plots.Scene(run=run, pinned=self.pinned))

    async def _train_seeds(self):
        self.study = None
        async for study in in_background(stream_seeds(self.experiment, self.seeds, within_epochs=True)):
            epochs = study.loss.shape[1]
            if study.done == 1 or epochs not in (0, self._epochs):
                self.running, self._epochs = study.done < 1, epochs
                if not self.running:
                    self.study = self._finished = study
                self._show_scene(plots.Scene(study=study, pinned=self.pinned))

    async def _rescue(self):
        async for found in in_background(rescue.search(self.experiment)):
            self._found = found
            self._update_state(running=True, done=found.done, progress="looking for a rescue", note=found.text)
        self._found = None
        if found.rescued:
            note = f"{found.result} Your own pin was kept."
            if self.pinned is None or self.pinned is self._rescued_from:
                failing = found.before.experiment  # it is shown only when the rescued run is next to it
                async for run in in_background(self._stream(failing)):
                    pinned = run
                self.pinned = self._rescued_from = pinned
                note = found.text
            self._set_experiment(found.after.experiment)
            self._set_note(note)
            await self._train()
        else:
            self.running = False
            self._show_note(found.text)

    async def _prepare_neighbours(self):
        """While nobody moves anything: make the graphs of the next slider values of the control that was moved last."""
        if os.environ.get("LAB_PREPARES") == "0":
            return  # a class shares the cores: what one prepares, and may not need, another waits for
        neighbours = self._neighbours()
        while neighbours and not has_room(self.experiment, 1 + len(neighbours)):
            neighbours.pop()  # they would push each other out
        for neighbour in neighbours:
            await asyncio.sleep(IDLE)
            if not has_graph(neighbour) and not _training:
                async for _ in in_background(itertools.islice(stream(neighbour, within_epochs=True), 1)):
                    pass

    def _neighbours(self):
        """Where the control that was moved last would be moved next: on first, then back."""
        if self._moved is None:
            return []
        options, here = self.experiment.slider_values(self._moved), self._index(self.experiment, self._moved)
        values = [options[i] for i in (here + self._way, here - self._way) if 0 <= i < len(options)]
        neighbours = [rescue.possible(self.experiment, **{self._moved: value}) for value in values]
        return [neighbour for neighbour in neighbours if neighbour]

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _set_note(self, note, refused=False):
        self.note, self.refused = note, refused

    def _show_note(self, note, refused=False):
        """Show a note below the present plots."""
        self._set_note(note, refused)
        if self._scene is not None:
            self._show_scene(self._scene)

    def _show_scene(self, scene):
        self._scene = scene
        self.text = self._summary(scene)
        if self.view is None:
            return
        if self.running:
            KernelWidget.last_frame = time.monotonic()
        shown = scene.shown
        epochs, all_epochs = shown.loss.shape[-1], shown.experiment.epochs
        if scene.study:
            done, learned, who = shown.done, shown.success_rate >= 0.5, f"{len(shown.seeds)} seeds, "
        else:
            done, learned, who = 1.0 if shown.finished else epochs / all_epochs, shown.learned, ""
        kind, picture = self.renderer.frame(scene, final=not self.running)
        self._frames += 1
        with self.view.hold_sync():
            self.view.picture = picture
            self.view.state = {
                "frame": self._frames,
                "generation": self.generation,
                "kind": kind,
                "dark": self.renderer.look[2],
                "running": self.running,
                "done": done,
                "progress": f"{who}epoch {epochs} of {all_epochs}",
                "text": self.text,
                "learned": bool(learned),
                "note": self.note,
                "refused": self.refused,
                "pinned": self.pinned is not None,
                "seeds": self.seeds,
                "code": "" if self.running else to_keras(self.experiment),
                "share": self.experiment.to_json(),
            }

    def _update_state(self, **changed):
        """Send changed entries of the state; the plots stay."""
        if self.view is not None:
            self._frames += 1
            state = {"frame": self._frames, "generation": self.generation, **changed}
            self.view.state = {**self.view.state, **state}

    def _summary(self, scene):
        """The plots in words."""
        if scene.study:
            return f"Training {len(scene.study.seeds)} seeds." if self.running else scene.study.verdict
        run = scene.run
        problem = run.problem
        words = [f"Training: skill {plots.short_skill(run.skill)} so far." if self.running else run.verdict]
        if run.diverged_at is None:
            words.append(
                f"Validation loss {plots.number(run.val_loss[-1])}, where the baseline has "
                f"{plots.number(problem.loss_of_constant)} and the {problem.reference_name} {plots.number(problem.loss_of_truth)}."
            )
        if not self.running:
            causes = [f"Likely cause: {cause}" for cause in findings(run)[:1]]
            words += [WITHHELD] if causes and predictions.open_ones(self._asked) else causes
        return " ".join(words)

    def _index(self, experiment, name):
        """The slider position of a field."""
        return experiment.slider_values(name).index(getattr(experiment, name))

    def _slider_value(self, name, index):
        """The value at a slider position. A front end may have asked before it knew that the slider values changed."""
        options = self.experiment.slider_values(name)
        if not 0 <= index < len(options):
            raise ValueError(
                f"{name} has no slider position {index} any more; its last value is {value_text(options[-1])}. Move it again."
            )
        return options[index]

    def _send_controls(self):
        if self.view is not None:
            rows = [self._control(name) for name in self.names]
            self.view.controls = {"generation": self.generation, "rows": rows}

    def _control(self, name):
        spec, value, options = FIELDS[name], getattr(self.experiment, name), self.experiment.slider_values(name)
        return {
            "name": name,
            "group": spec.group,
            "label": spec.label,
            "help": (spec.choices or {}).get(value, spec.help),
            "unit": spec.unit,
            "choice": spec.choices is not None,
            "options": [value_text(option) for option in options],
            "index": self._index(self.experiment, name),
            "unused": not self.experiment.uses(name),
        }
