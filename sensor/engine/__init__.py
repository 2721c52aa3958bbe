"""From an event to a finding: match, decide, aggregate, redact. It does no input or output."""
