# SPDX-License-Identifier: Apache-2.0
"""Scout's tests. A package, so that a folder named ``tests`` elsewhere on the path cannot stand in for it."""
