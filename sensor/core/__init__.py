"""What every package may use: errors, ports, clock, configuration, counters, log. It imports nothing of ours."""
