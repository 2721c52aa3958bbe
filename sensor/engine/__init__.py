# SPDX-License-Identifier: Apache-2.0
"""From an event to a finding: match, decide, aggregate, redact. It does no input or output."""
