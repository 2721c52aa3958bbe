// SPDX-License-Identifier: GPL-2.0-only
/* BCC wants a version for kprobes on old kernels, which Scout does not use: any value serves. */
#pragma once
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(6, 1, 0)
