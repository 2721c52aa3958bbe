# SPDX-License-Identifier: Apache-2.0
"""What Scout costs, beside a floor measured in the same run: ``python -m tests.bench``. docs/performance.md has the method."""
