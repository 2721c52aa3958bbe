# SPDX-License-Identifier: Apache-2.0
"""One file per event kind. A new one is also a line in `sensor.events.registry` and a file in bpf/probes."""
