# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells: specifications, the C header made from them, and the decoder. It knows no rule and no policy."""
