# SPDX-License-Identifier: Apache-2.0
"""Boot another kernel under QEMU and run a command of this checkout in it. By hand: ``python3 -m kernels.run --help``."""
