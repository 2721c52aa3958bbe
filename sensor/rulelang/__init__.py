# SPDX-License-Identifier: Apache-2.0
"""The rule language: from text to functions and kernel clauses. It knows no files and no policy."""
