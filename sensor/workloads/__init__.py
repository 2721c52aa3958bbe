# SPDX-License-Identifier: Apache-2.0
"""Whose act it was: cgroups and containers. It asks the kernel's own names, never the process."""
