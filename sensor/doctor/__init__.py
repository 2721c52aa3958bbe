# SPDX-License-Identifier: Apache-2.0
"""What this node offers, what Scout will use of it, and how to get what is missing. It looks; it never changes anything."""
