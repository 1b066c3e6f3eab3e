"""helpers/rescue.py: the smallest change is found, the data are left alone, and what cannot be rescued is said."""

import asyncio
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import Experiment, Lab, SeedStudy
from helpers.experiments.experiment import FIELDS
from helpers.lab import plots
from helpers.rescue import ENOUGH, Rescue, changes, search, smallest_rescue

pytestmark = pytest.mark.numerical

SLOW = Experiment(problem="sine", depth=1, width=12, batch_size=None, learning_rate=0.0003, epochs=200)
HUGE = Experiment(problem="price", depth=1, batch_size=None)


@pytest.fixture(scope="module")
def slow():
    return smallest_rescue(SLOW, 8)


def test_the_smallest_change_rescues_from_the_same_weights(slow):
    assert slow.study.success_rate == 0
    assert slow.rescued.rate >= ENOUGH
    assert not slow.before.learned
    assert slow.after.learned
    assert slow.same_weights
    assert slow.before.experiment.replace(**{slow.rescued.field: slow.rescued.new}) == slow.after.experiment
    assert slow.rescued.words in slow.text
    sizes = [trial.size for trial in slow.trials]
    assert sizes == sorted(sizes)
    assert slow.rescued.size == max(sizes), "the search ends with the size at which a rescue is found"


def test_every_trial_changes_one_field_and_never_the_data(slow):
    for trial in slow.trials:
        changed = [name for name in FIELDS if getattr(trial.experiment, name) != getattr(SLOW, name)]
        assert changed == [trial.field]
        assert FIELDS[trial.field].group != "Data"
        assert list(trial.study.seeds) == list(slow.study.seeds)


@pytest.mark.parametrize(
    "experiment",
    [SLOW, HUGE, Experiment(problem="moons", dropout=0.3, optimizer="adamw"), Experiment(missing=0.1, depth=0)],
)
def test_changes_are_all_allowed_and_small_ones_come_first(experiment):
    found = changes(experiment)
    assert [change.size for change in found] == sorted(change.size for change in found)
    assert len({(change.field, change.value) for change in found}) == len(found)
    for change in found:
        assert experiment.replace(**{change.field: change.value}) != experiment
    fields = {change.field for change in found}
    assert ("imputation" in fields) == (experiment.missing > 0)
    assert ("width" in fields) == (experiment.depth > 0)
    assert ("weight_decay" in fields) == (experiment.optimizer == "adamw")
    assert ("target_scaling" in fields) == (experiment.problem != "moons")


def test_a_regularizer_can_be_switched_off_in_one_step():
    values = {(change.field, change.value): change.size for change in changes(SLOW.replace(l2=1.0, early_stopping=1))}
    assert values["l2", 0.0] == (False, 2)
    assert values["early_stopping", 0] < (True, 2)


def learning(monkeypatch, rate):
    """Instead of training: `rate(experiment)` is the share of the seeds that learn."""

    def stream_seeds(experiment, seeds, **options):
        count = len(seeds)
        arrays = {item.name: np.zeros((count, 1)) for item in dataclasses.fields(SeedStudy)}
        skill = np.where(np.arange(count) < round(rate(experiment) * count), 1.0, 0.0)
        yield SeedStudy(**arrays | {"experiment": experiment, "seeds": np.array(seeds), "skill": skill, "done": 1.0})

    def stream(experiment, **options):
        yield SimpleNamespace(experiment=experiment, weights=[])

    monkeypatch.setattr("helpers.rescue.stream_seeds", stream_seeds)
    monkeypatch.setattr("helpers.rescue.stream", stream)


@pytest.mark.parametrize(("best", "tried"), [(0.45, True), (0.6, False)])
def test_large_changes_are_tried_only_where_no_small_one_brings_half_of_the_seeds_to_learn(best, tried, monkeypatch):
    learning(monkeypatch, lambda e: best if e == SLOW.replace(learning_rate=0.01) else 0.0)
    found = smallest_rescue(SLOW)
    assert any(trial.size[0] for trial in found.trials) == tried
    assert (found.rescued is None) == tried
    if not tried:
        assert found.text.startswith("Rescued by learning rate 0.0003 → 0.01: 12 of 20 seeds learn, where 0 of 20 did")


def test_targets_out_of_reach_are_rescued_by_scaling_them():
    found = smallest_rescue(HUGE, 5)
    assert (found.rescued.field, found.rescued.new) == ("target_scaling", "standard")


def test_what_learns_and_what_cannot_be_learned_is_said():
    fine = smallest_rescue(SLOW.replace(learning_rate=0.03), 5)
    assert fine.text.startswith("Nothing to rescue: 5 of 5 seeds learn with these settings.")
    assert fine.trials == ()
    nothing = smallest_rescue(Experiment(problem="root"), 5)
    assert nothing.text.startswith("There is nothing to learn")


def test_where_no_single_change_is_enough_the_best_is_told():
    class Trial:
        def __init__(self, learned, size):
            self.size, self.words, self.rate = size, f"change {size}", learned / 20
            low, high = max(0, self.rate - 0.2), min(1, self.rate + 0.2)
            self.study = type(
                "Study", (), {"learned": np.arange(20) < learned, "interval": (low, high), "seeds": range(20)}
            )

    def of(*trials):
        return Rescue(SLOW, Trial(0, 0).study, trials, finished=True)

    lost = of(Trial(0, 1), Trial(9, 2))
    assert lost.rescued is None
    assert (
        "No single change that was tried rescues these settings (2 changes tried). The best: change 2: 9 of 20"
        in lost.text
    )
    alike = of(Trial(17, 1), Trial(20, 2))
    assert alike.rescued.words == "change 1", "of changes that the seeds cannot tell apart, the smallest"
    half = of(Trial(2, 1), Trial(11, 2))
    assert half.rescued.words == "change 2", "more than half is a rescue, if there is none better"
    clear = of(Trial(11, 1), Trial(20, 2))
    assert clear.rescued.words == "change 2"


def test_the_search_is_delivered_in_pieces_and_can_be_dropped():
    pieces = search(SLOW, 4, seconds=0.01)
    first = next(pieces)
    assert (first.finished, first.trials, first.text) == (False, (), "Trying the settings as they are.")
    pieces.close()


def test_wrong_arguments_get_a_sentence():
    with pytest.raises(ValueError, match="needs an Experiment, not str"):
        smallest_rescue("sine")
    with pytest.raises(ValueError, match="seeds=0"):
        smallest_rescue(SLOW, 0)


def test_the_button_of_the_lab_puts_the_rescued_setting_beside_the_failing_run(monkeypatch):
    lab = Lab(SLOW, controls=["depth"], pictures=["loss"])
    lab._repr_mimebundle_()
    monkeypatch.setattr("helpers.rescue.RESCUE_SEEDS", 5)
    lab._receive(None, {"action": "rescue", "generation": 1}, [])
    state = lab.view.state
    assert lab.pinned.experiment == SLOW.replace(seed=lab.experiment.seed)
    assert not lab.pinned.learned
    assert lab.run.learned
    assert lab.experiment.learning_rate > SLOW.learning_rate
    assert state["note"].startswith("Rescued by ")
    assert not state["running"]
    assert not state["refused"]
    assert state["generation"] == 1
    assert isinstance(lab._scene, plots.Scene)
    assert lab._scene.pinned is lab.pinned


def test_a_rescue_keeps_what_the_learner_has_pinned_and_says_so(slow, monkeypatch):
    monkeypatch.setattr("helpers.rescue.search", lambda experiment: iter([slow]))
    lab = Lab(SLOW, controls=["depth"], pictures=["loss"])
    lab._repr_mimebundle_()

    def ask(action):
        lab._receive(None, {"action": action, "generation": lab.generation + 1}, [])
        return lab.view.state["note"]

    first = lab.run
    ask("pin")
    note = ask("rescue")
    assert lab.pinned is first
    assert lab.run.learned
    assert note.startswith("Rescued by ")
    assert note.endswith("Your own pin was kept.")
    assert "failing run" not in note
    ask("pin")
    assert "failing run" in ask("rescue")
    failing = lab.pinned
    assert failing.experiment == slow.before.experiment
    assert "failing run" in ask("rescue")
    assert lab.pinned is not failing, "what a rescue has pinned gives way to what the next one pins"


def test_the_search_of_the_lab_can_be_stopped():
    async def stop():
        lab = Lab(SLOW.replace(epochs=2000), pictures=["loss"])
        lab._repr_mimebundle_()
        lab._receive(None, {"action": "rescue", "generation": 1}, [])
        while lab._found is None:
            await asyncio.sleep(0)
        assert lab.view.state["running"]
        lab._receive(None, {"action": "stop", "generation": 2}, [])
        assert lab.view.state["note"] == "Stopped looking for a rescue. Changes tried: 0."
        assert not lab.view.state["running"]
        assert lab.pinned is None
        await asyncio.wait([lab._task])
        assert not lab.running

    asyncio.run(asyncio.wait_for(stop(), 300))


def test_a_search_goes_on_when_the_lab_is_shown_again(slow, monkeypatch):
    shown_again = []

    def search(experiment):
        while not shown_again:
            yield Rescue(SLOW)
        yield slow

    monkeypatch.setattr("helpers.rescue.search", search)

    async def again():
        lab = Lab(SLOW, pictures=["loss"])
        lab._repr_mimebundle_()
        lab._receive(None, {"action": "rescue", "generation": 1}, [])
        while lab._found is None:
            await asyncio.sleep(0)
        shown_again.append(lab._repr_mimebundle_())
        while lab.running:
            await asyncio.sleep(0)
        assert lab.view.state["note"].startswith("Rescued by ")

    asyncio.run(asyncio.wait_for(again(), 300))
