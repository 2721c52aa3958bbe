# SPDX-License-Identifier: Apache-2.0
"""The only places that import third-party packages, one module each, named by what it reaches."""
