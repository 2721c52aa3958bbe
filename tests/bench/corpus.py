# SPDX-License-Identifier: Apache-2.0
"""
As many rules as wanted, of the sorts that people write.

A site with many services has the same few ideas for each of them: whose keys
are read, who writes into a folder, what a daemon may start and whom it may talk
to. So a number of sorts take turns, each with the names, folders, ports and
networks of the next service. Most are narrow from the start (a name); some are
not (writing below a folder, failures, a daemon's own acts), as in life.
"""

from __future__ import annotations

SERVICES = (
    "orders", "billing", "ledger", "mailer", "search", "catalog", "basket", "shipping", "login", "session", "gateway", "metrics", "tracing", "archive",
    "reports", "invoice", "webhook", "notify", "media", "thumbs", "cache", "queue", "broker", "feed", "vault", "audit", "consent", "export", "import", "backup",
    "restore", "cron", "deploy", "registry", "builder", "proxy", "edge", "dns", "ntp", "ldap",
)  # fmt: skip

_HEAD = """\
- macro: reads
  condition: (evt.type in (open, openat, openat2) and evt.is_open_read = true and fd.num >= 0)
- macro: writes
  condition: (evt.type in (open, openat, openat2, creat) and evt.is_open_write = true and fd.num >= 0)
- macro: starts
  condition: (evt.type in (execve, execveat) and evt.dir = < and evt.failed = false)
- macro: calls
  condition: (evt.type = connect and evt.dir = < and fd.typechar in (4, 6))
- macro: contained
  condition: (container.id != host)
- list: installers
  items: [dpkg, apt-get, rpm, dnf, ansible]
- list: shells
  items: [sh, bash, dash, ash, zsh]
"""

_SORTS = (
    "reads and fd.name = /etc/{s}/{s}.key and not proc.name in ({s}, {s}-agent)",
    "writes and fd.directory = /etc/{s}/conf.d and not proc.name in (installers)",
    "starts and proc.pname = {s}d and proc.name in (shells)",
    "reads and fd.directory in (/etc/{s}.d, /srv/{s}/private) and not proc.name in ({s}, {s}d)",
    "calls and fd.rip = 10.{a}.{b}.7 and not proc.name in ({s}, {s}d)",
    "reads and fd.name endswith /.{s}/credentials and not proc.name = {s}",
    "contained and reads and fd.filename in ({s}_rsa, {s}.pem, .netrc) and not proc.pname = {s}d",
    "writes and fd.name startswith /usr/lib/{s}/ and not proc.pname in (installers)",
    "starts and proc.exepath startswith /opt/{s}/tmp/",
    "reads and proc.exepath = /usr/lib/{s}/{s}-helper and fd.name in (/etc/passwd, /etc/group)",
    "calls and contained and fd.rport in ({p}, {q}) and not proc.name in ({s}d, {s}-sync)",
    "writes and fd.filename = {s}.service and fd.directory in (/etc/systemd/system, /usr/lib/systemd/system)",
    "evt.type in (open, openat) and evt.failed = true and fd.name startswith /etc/{s}/private/ and user.uid != 0",
    "starts and proc.name = {s}ctl and user.uid != 0",
    "starts and proc.name in (bash, git, gcc, python3) and proc.aname in ({s}d, {s}-worker)",
    "reads and fd.name in (/run/secrets/{s}/token, /var/run/secrets/{s}/ca.crt) and not proc.exepath = /usr/bin/{s}",
    "calls and proc.name = {s}d and not fd.snet in (10.0.0.0/8, 127.0.0.0/8)",
    "reads and contained and fd.nameraw contains /../ and fd.name startswith /srv/{s}/",
    "writes and proc.name in ({s}d, {s}-worker) and not fd.name startswith /var/lib/{s}/",
    "starts and contained and proc.name in (nc, ncat, socat) and proc.pname = {s}",
    "reads and proc.name = {s}d and fd.name in (/etc/shadow, /etc/sudoers)",
    "writes and fd.name glob /var/spool/{s}/*/jobs/*.sh",
    "starts and proc.exepath = /usr/sbin/{s}-admin and proc.tty != 0",
    "writes and fd.directory in (/lib, /usr/lib) and fd.filename = lib{s}.so",
    "calls and fd.snet = 198.18.{a}.0/24",
    "writes and fd.name startswith /dev/shm/{s} and not fd.filename endswith .lock",
    "calls and fd.rip = 127.0.0.1 and fd.rport = {p} and not proc.name in ({s}, curl, wget)",
    "reads and contained and fd.name = /var/lib/{s}/main.db and not proc.exepath startswith /usr/lib/{s}/",
    'starts and proc.name = {s} and proc.args contains "--insecure"',
)


def rules(count: int) -> str:
    """Return *count* rules and the names they use, as a rule file has them; fewer rules are the beginning of more."""
    return _HEAD + "".join(_rule(number) for number in range(count))


def _rule(number: int) -> str:
    turn, sort = divmod(number, len(_SORTS))
    round_, place = divmod(turn, len(SERVICES))
    service = SERVICES[place] + (f"-{round_}" if round_ else "")
    condition = _SORTS[sort].format(s=service, a=turn % 250, b=turn // 250, p=20000 + 2 * turn, q=20001 + 2 * turn)
    priority = ("NOTICE", "WARNING", "ERROR")[number % 3]
    return f'- rule: many {number}\n  desc: one of many\n  output: "many {number} (%proc.cmdline)"\n  priority: {priority}\n  condition: {condition}\n'
