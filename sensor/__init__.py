# SPDX-License-Identifier: Apache-2.0
"""
Scout's node agent: from a syscall on this kernel to a finding.

The way of an event is the order of the packages: ``probes`` brings frames out
of the kernel, ``events`` decodes them, ``workloads`` says whose act it was,
``rulelang`` and ``ruleset`` are the rules, ``engine`` decides, ``sinks``
report. ``app`` puts them together; ``cli`` is what people type.
"""
