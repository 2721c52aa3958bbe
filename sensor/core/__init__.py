# SPDX-License-Identifier: Apache-2.0
"""What every package may use: errors, ports, clock, configuration, counters, log. It imports nothing of ours."""
