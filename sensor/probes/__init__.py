# SPDX-License-Identifier: Apache-2.0
"""From BPF sources to frames: what the kernel offers, the unit, the loader, the tables, the stream. It knows no rule's meaning."""
