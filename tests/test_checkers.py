"""helpers/lessons/checkers.py: right answers pass by what their seeds do, wrong ones are told what is wrong with them."""

import numpy as np
import pytest
from checking import refused, study_with

from helpers import Experiment
from helpers.lessons import checkers
from helpers.lessons.checkers import Learns, NamesCauses, edge_of_stability, edge_slips, require_number

KINK = Experiment(problem="abs", depth=1, width=8)
ROW = Learns(
    "a_row", {"problem": "abs", "depth": 1}, {"width": 8, "steps": 1000, "learning_rate": 0.1, "parameters": 25}, rate=0.9,
    rule=lambda e: "Not with linear units." if e.activation == "linear" else None,
)  # fmt: skip
BATCHES = KINK.replace(samples=100, batch_size=10)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (3, "The answer is an Experiment(...), not int."),
        (KINK.replace(problem="moons"), "Here problem='abs' is given; you have problem='moons'."),
        (KINK.replace(noise=0.0), "you have taken some of it away"),
        (KINK.replace(width=9), "This has 9 units; at most 8 are allowed."),
        (BATCHES.replace(epochs=101), "1010 steps (epochs times batches in each); at most 1000"),
        (KINK.replace(learning_rate=0.2), "0.2 as its learning rate; at most 0.1"),
        (KINK.replace(activation="linear"), "Not with linear units."),
    ],
)
def test_what_breaks_a_rule_is_told_before_anything_is_trained(answer, complaint, trained):
    asked = trained(50)
    assert complaint in refused(ROW, answer)
    assert asked == []


def test_a_limit_holds_to_the_last_one(trained):
    trained(50)
    assert ROW(KINK.replace(samples=100, batch_size=10, epochs=100)) == "Learned with 50 of 50."
    wide = Learns("parameters", at_most={"parameters": 24})
    assert "25 weights and biases; at most 24" in refused(wide, KINK)


def test_an_answer_passes_by_what_its_seeds_do(trained):
    asked = trained(45)
    assert ROW(KINK) == "Learned with 45 of 50."
    assert asked == [(KINK, 50)]
    trained(44)
    assert "Learned with 44 of 50. At least 90% have to learn." in refused(ROW, KINK)


def test_only_what_may_change_is_changed(trained):
    trained(50)
    row = Learns("prepared", start=KINK, may_change=("scaling", "features"))
    assert row(KINK.replace(scaling="standard")) == "Learned with 50 of 50."
    assert "Nothing is changed yet. You may change scaling, features." in refused(row, KINK)
    changed = KINK.replace(scaling="standard", epochs=9)
    assert "Only scaling, features may change; you have epochs=9 instead of 100" in refused(row, changed)


def test_fields_are_counted_and_the_task_is_left_alone(trained):
    trained(50)
    row = Learns("two", start=KINK, n_changes=2, task=("samples",))
    assert row(KINK.replace(width=3, seed=4)) == "Learned with 50 of 50."
    assert "Change exactly 2 fields; you have changed width." in refused(row, KINK.replace(width=3))
    assert "With another samples this is another task" in refused(row, KINK.replace(samples=9, width=4))
    assert "Change exactly one field; you have changed none." in refused(Learns("one", start=KINK, n_changes=1), KINK)


# --- causes and their proofs ---


def reject(cause, patient, field, proof):
    return None if (cause == "tired") == (field == "epochs") else f"{field} does not show that it is {cause}."


PATIENTS = {"A": KINK, "B": KINK.replace(width=4)}
NAMES = NamesCauses("names", PATIENTS, ("tired", "ill"), reject, lambda patient: f"It has {patient.width} units. ")
RIGHT = {"A": ("tired", KINK.replace(epochs=9)), "B": ("ill", PATIENTS["B"].replace(optimizer="sgd"))}


def test_a_right_cause_with_its_proof_passes(trained):
    trained(40)
    assert NAMES(RIGHT) == (
        "A: tired, because epochs=9 is enough. It has 8 units. Learned with 40 of 50. "
        "B: ill, because optimizer='sgd' is enough. It has 4 units. Learned with 40 of 50."
    )
    one = NamesCauses("one", {"patient": KINK}, ("tired", "ill"), reject)
    assert one(RIGHT["A"]) == "tired, because epochs=9 is enough. Learned with 40 of 50."


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (
            "tired",
            'The answer is a dictionary of all failing networks: {"A": ("…", failing["A"].replace(...)), "B": …}.',
        ),
        ({"A": RIGHT["A"]}, "The answer is a dictionary of all failing networks"),
        (RIGHT | {"A": KINK}, 'A: Give a cause and its proof, in this form: ("…", failing'),
        (RIGHT | {"A": ("sad", KINK)}, "A: The cause is one of tired, ill; you have 'sad'."),
        (RIGHT | {"A": ("tired", 3)}, "A: The answer is an Experiment(...), not int."),
        (RIGHT | {"B": ("ill", PATIENTS["B"])}, "B: Change exactly one field; you have changed none."),
        (RIGHT | {"A": ("tired", KINK.replace(seed=3))}, "A: With another seed this is another task"),
        (RIGHT | {"A": ("tired", KINK.replace(width=3))}, "A: width does not show that it is tired."),
    ],
)
def test_what_is_no_proof_is_refused(answer, complaint, trained):
    trained(50)
    assert complaint in refused(NAMES, answer)


def test_a_proof_that_does_not_learn_is_none(trained):
    trained(39)
    assert "A: epochs=9 does not prove it. Learned with 39 of 50. At least 80%" in refused(NAMES, RIGHT)


# --- numbers ---


@pytest.mark.parametrize("answer", ["4", True, float("nan"), float("inf"), None])
def test_what_is_no_number_is_refused(answer):
    assert "The answer is a number, not" in refused(lambda a: require_number(a, 4, [], ""), answer)


def test_a_wrong_number_is_told_which_slip_it_is_or_on_which_side_it_lies():
    def check(answer):
        require_number(answer, 4.0, [(8.0, "Twice too large.")], "Halve 8.")

    check(4)
    check(np.float32(4.05))
    assert refused(check, 8) == "Twice too large."
    assert refused(check, 5) == "5 is too large. Halve 8."
    assert refused(check, 3) == "3 is too small. Halve 8."


@pytest.mark.numerical
def test_beyond_the_edge_of_stability_a_linear_unit_diverges():
    line = Experiment(problem="line", input_scale=0.3, depth=0, optimizer="sgd", batch_size=None, epochs=1500)
    edge = edge_of_stability(line)
    below, above = (checkers.train_seeds(line.replace(learning_rate=part * edge), 5) for part in (0.98, 1.02))
    assert (below.loss[:, -1] < below.loss[:, 0]).all()
    assert not (above.loss[:, -1] < above.loss[:, 0]).any()
    assert all(not np.isclose(slip, edge, rtol=0.02) for slip, _ in edge_slips(line))


# --- hints ---


@pytest.mark.parametrize(
    ("arrays", "hint"),
    [
        ({"loss": np.nan}, "diverged"),
        ({"loss": np.inf}, "diverged"),
        ({"dead": 1.0}, "nearly all units dead"),
        ({"loss": 0.05}, "they have learned the noise"),
        ({"loss": np.geomspace(1, 0.3, 20)}, "still falling"),
        ({"skill": 0.0}, "no better than the baseline"),
        ({}, "stopped with a skill in between"),
    ],
)
def test_a_failure_says_what_is_conspicuous(arrays, hint, trained):
    trained(lambda e: study_with(5, **arrays))
    assert hint in refused(ROW, KINK)
