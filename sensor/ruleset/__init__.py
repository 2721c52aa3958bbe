# SPDX-License-Identifier: Apache-2.0
"""Rules as documents: loading, identity, cases, ATT&CK ids, lint."""
