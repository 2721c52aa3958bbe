"""Rules as documents: loading, identity, cases, ATT&CK ids, lint."""
