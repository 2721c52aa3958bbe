# SPDX-License-Identifier: Apache-2.0
"""Where the kernel keeps what the probes read: BTF, headers, then tables made beforehand. No source is believed unproven."""
