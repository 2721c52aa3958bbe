# SPDX-License-Identifier: Apache-2.0
"""What several parts of Scout agree on: finding documents, rulesets. It imports none of them."""
