# SPDX-License-Identifier: Apache-2.0
"""
Names that Falco's syscall source knows and this build cannot fill.

A rule that only prints one of these prints ``<NA>``; a rule whose condition
depends on one is blind, and says so. A name that is in neither table is a
mistake in the rule.

Source:
    Falco's list of supported fields (syscall source).
"""

from __future__ import annotations

TEXT = """
evt.time.s evt.time.iso8601 evt.datetime evt.datetime.s evt.pluginname evt.plugininfo evt.asynctype evt.hostname evt.latency.human evt.category
evt.args evt.arg evt.info evt.io_dir evt.abspath evt.rawarg
evt.outputtime evt.infra.docker.name evt.infra.docker.container.id evt.infra.docker.container.name evt.infra.docker.container.image
proc.env proc.aenv thread.cap_inheritable thread.cgroups thread.cgroup thread.nametid thread.vnametid container.image.id container.mounts
proc.stdin.type proc.stdin.name proc.stdout.type proc.stdout.name proc.stderr.type proc.stderr.name
container.mount container.mount.source container.mount.dest container.mount.mode container.mount.rdwr container.mount.propagation container.healthcheck
container.liveness_probe container.readiness_probe container.ip container.cni.json container.host_pid container.host_network container.host_ipc
container.label container.labels
fd.uid fd.containername fd.containerdirectory fd.proto fd.cproto fd.sproto fd.lproto fd.rproto fd.cip.name fd.sip.name fd.lip.name fd.rip.name fd.types
fs.path.source fs.path.sourceraw fs.path.target fs.path.targetraw
syslog.facility.str syslog.severity.str syslog.message fdlist.nums fdlist.names fdlist.cips fdlist.sips fdlist.cports fdlist.sports
k8s.pod.sandbox_id k8s.pod.full_sandbox_id k8s.pod.cni.json k8s.ns.id k8s.ns.label
k8s.ns.labels k8s.rc.name k8s.rc.id k8s.rc.label k8s.rc.labels k8s.rs.id k8s.rs.label k8s.rs.labels k8s.svc.name k8s.svc.id k8s.svc.label
k8s.svc.labels k8s.deployment.id k8s.deployment.label k8s.deployment.labels
""".split()

NUMBER = """
evt.rawtime evt.rawtime.s evt.rawtime.ns evt.reltime evt.reltime.s evt.reltime.ns evt.latency evt.latency.s evt.latency.ns evt.deltatime evt.deltatime.s
evt.deltatime.ns evt.type.is evt.cpu evt.buflen evt.wait_latency evt.count.error evt.count.error.file evt.count.error.net evt.count.error.memory
evt.count.error.other evt.count.exit evt.around
evt.latency.quantized evt.count.procinfo evt.count.threadinfo evt.buflen.in evt.buflen.out evt.buflen.file evt.buflen.file.in evt.buflen.file.out evt.buflen.net
evt.buflen.net.in evt.buflen.net.out thread.vmsize.b thread.vmrss.b
proc.loginshellid proc.pvpid proc.exe_ino proc.exe_ino.ctime proc.exe_ino.mtime
proc.exe_ino.ctime_duration_proc_start proc.exe_ino.ctime_duration_pidns_start proc.pidns_init_start_ts proc.fdopencount proc.fdlimit proc.fdusage
proc.vmsize proc.vmrss proc.vmswap proc.nthreads proc.nchilds
thread.pfmajor thread.pfminor thread.vtid thread.exectime thread.totexectime thread.cpu thread.cpu.user thread.cpu.system thread.vmsize
thread.vmrss
container.duration fd.dev fd.dev.major fd.dev.minor syslog.facility syslog.severity
""".split()

TRUTH = """
evt.is_io evt.is_io_read evt.is_io_write evt.is_wait evt.is_syslog
proc.is_exe_writable proc.is_exe_upper_layer proc.is_exe_lower_layer proc.is_container_healthcheck
proc.is_container_liveness_probe proc.is_container_readiness_probe fd.connected fd.name_changed fd.is_upper_layer fd.is_lower_layer
""".split()

BUFFER = ["evt.buffer"]

WITH_ARGUMENT = frozenset(
    """
evt.arg evt.rawarg evt.abspath evt.around evt.type.is proc.aexe proc.aexepath proc.acmdline proc.env proc.aenv thread.cgroup container.mount
container.mount.source container.mount.dest container.mount.mode container.mount.rdwr container.mount.propagation container.label fd.types
k8s.pod.label k8s.ns.label k8s.rc.label k8s.rs.label k8s.svc.label k8s.deployment.label
""".split()
)
"""These take something in brackets, or after a dot."""
