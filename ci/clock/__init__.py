"""What happens by the clock: batch outputs of due models, and schedules that were missed."""
