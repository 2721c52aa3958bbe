# SPDX-License-Identifier: Apache-2.0
"""
The floor: the least that a sensor could cost and still be told of one act.

In the kernel one string comparison per openat and a counter per connect and
exec; in user space a line per open of /etc/shadow, as soon as the kernel wakes
us. No rules, no identity, no resolved path, and a thread can change the string
behind its back: a measure, not a sensor. Compiled with the project's own
headers, like the probes.

Run by the harness: ``python tests/bench/floor.py``.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

SYSROOT = Path(__file__).resolve().parents[2] / "bpf" / "sysroot"

SOURCE = r"""
struct entry { u64 common; u64 nr; u64 arguments[6]; };
struct seen { u32 pid; char comm[16]; };
BPF_RINGBUF_OUTPUT(acts, 16);
BPF_PERCPU_ARRAY(counters, u64, 2);

static __always_inline int count(int which)
{
	u64 *value = counters.lookup(&which);

	if (value)
		*value += 1;
	return 0;
}

int floor_open(struct entry *ctx)
{
	const char sought[] = "/etc/shadow";
	struct seen seen = {};
	char path[64] = {};

	bpf_probe_read_user_str(path, sizeof(path), (void *)ctx->arguments[1]);
	for (int i = 0; i < sizeof(sought); i++)
		if (path[i] != sought[i])
			return 0;
	seen.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(seen.comm, sizeof(seen.comm));
	acts.ringbuf_output(&seen, sizeof(seen), 0);
	return 0;
}

int floor_connect(struct entry *ctx) { return count(0); }
int floor_exec(struct entry *ctx) { return count(1); }
"""

HOOKS = (("floor_open", "sys_enter_openat"), ("floor_connect", "sys_enter_connect"), ("floor_exec", "sys_enter_execve"))


class Seen(ctypes.Structure):
    """What the program sends."""

    _fields_ = (("pid", ctypes.c_uint32), ("comm", ctypes.c_char * 16))


def main() -> None:
    """Attach, then print a line per act until a signal ends us."""
    os.environ["BCC_KERNEL_SOURCE"] = str(SYSROOT)
    from bcc import BPF  # the environment must be set before

    bpf = BPF(text=SOURCE, cflags=["-DSCOUT_ARM64=1"] if os.uname().machine == "aarch64" else [])
    for function, event in HOOKS:
        bpf.attach_tracepoint(tp=f"syscalls:{event}", fn_name=function)

    def tell(_context: object, data: int, _size: int) -> None:
        seen = ctypes.cast(data, ctypes.POINTER(Seen)).contents
        sys.stdout.write(f"{seen.pid} {seen.comm.decode(errors='backslashreplace')} /etc/shadow\n")
        sys.stdout.flush()

    bpf["acts"].open_ring_buffer(tell)
    while True:
        bpf.ring_buffer_poll()


if __name__ == "__main__":
    main()
