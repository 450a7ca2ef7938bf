"""What one run does: training, evaluation, schedules, resume state, checkpoint, seeds, progress."""
