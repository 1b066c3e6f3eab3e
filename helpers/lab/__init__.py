"""What a learner moves and sees: the lab, its plots, maps of many trainings."""
