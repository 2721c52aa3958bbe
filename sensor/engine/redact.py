# SPDX-License-Identifier: Apache-2.0
"""
Take secrets out of command lines and paths before anything is shown or stored.

Three kinds of knowledge find them, each a tuple in `RedactConfig`:

* names: ``--password X``, ``DB_TOKEN=X``, ``"apiKey": "X"``, ``Authorization: X``
* shapes: a JSON web token, a cloud key id, a private key, ``scheme://user:X@``
* programs: ``mysql -pX``, ``curl -u X``, ``sshpass -p X``

What looks like a script (an argument behind ``-c``, or with spaces in it) is
split into words and treated like a command line again. `Redactor` promises:
time linear in its input (RE2), a secret is replaced whole by `MARK`, redacting
twice changes nothing, and text without a trigger costs one search. In doubt it
redacts; an attacker can so hide a value, never the command around it.
It cannot know a secret that looks like a word and stands where words stand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from sensor.adapters import patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MARK = "[redacted]"
"""What stands where a secret stood."""

MAX_DEPTH = 3
"""Scripts within scripts that are split into words: ``sh -c "ssh host 'sh -c …'"``; deeper ones are matched as text."""

NAMES_KEPT = 512
"""Names whose answer is remembered, so that a command line made of hundreds of them costs no more than its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramFlags:
    """Flags that carry a secret for some programs only; ``-p`` is a port elsewhere."""

    programs: tuple[str, ...]
    """File names of the programs, without a directory, or sub-commands (``login``)."""

    attached: tuple[str, ...] = ()
    """Beginnings of an argument whose rest is the secret: ``-pX``."""

    separate: tuple[str, ...] = ()
    """Arguments whose successor is the secret: ``-p X``; behind a ``=`` it is one too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactConfig:
    """What counts as a secret. All patterns are RE2, case does not matter, and none may be anchored."""

    enabled: bool = True
    """Off shows every command line as it was: for a laboratory, never for a cluster."""

    names: tuple[str, ...] = (
        r"pass",  # password, passwd, passphrase, PGPASSWORD, -passin
        r"pwd",
        r"secret",
        r"token",
        r"(?:api|access|private|encryption|signing|master|account|shared|storage|session|auth)[-_.]?key",
        r"credential",
        r"authorization",
        r"[-_.]auth",
        r"bearer",
        r"cookie",
    )
    """A name that contains one of these is the name of a secret."""

    innocent_names: tuple[str, ...] = (
        r"(?:by|com|tres)pass",
        r"pass(?:ive|through|enger|port|ed\b|ing\b|es\b)",
        r"tokeni[sz]",
        r"max[-_.]?tokens?",
        r"[-_.]auth(?:or|entication)",
        r"password[-_]?authentication",
        r"\b(?:old)?pwd\b",
        r"\b.*[-_.](?:file|path|dir|stdin|fd)\b",  # --password-file: where it lies is no secret
    )
    """Taken out of a name before it is looked at."""

    shapes: tuple[str, ...] = (
        r"[a-z][a-z0-9+.-]*:/{1,3}[^\s/:@\"'<>]*:([^\s/\"'<>]*)@",  # userinfo, RFC 3986 section 3.2.1; the kernel writes // in a path as /
        r"[a-z][a-z0-9+.-]*://([^\s/:@\"'<>]{20,})@",
        r"\b(eyJ[\w-]{8,}(?:\.[\w-]*){0,2})",  # JSON web token, RFC 7519: base64url of {"
        r"\b((?:AKIA|ASIA|ABIA|ACCA|AIDA|AROA)[A-Z0-9]{12,})",  # AWS IAM identifiers, IAM user guide, "Unique identifiers"
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(.*?)(?:-----END|$)",  # RFC 7468
        r"\b(gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|AIza[\w-]{30,}|npm_\w{30,}|sk-[\w-]{20,})",
        r"\b(?:bearer|basic|negotiate)\s+([\w.~+/=-]{6,})",  # RFC 9110 section 11.6.2
        r"\bpass:(\S+)",  # openssl-passphrase-options(1)
    )
    """Secrets known by their looks; group 1 is the secret, without a group all of it is."""

    programs: tuple[ProgramFlags, ...] = (
        ProgramFlags(programs=("mysql", "mysqldump", "mysqladmin", "mysqlimport", "mariadb", "mariadb-dump", "mysqlsh", "7z", "7za", "7zr"), attached=("-p",)),
        ProgramFlags(programs=("sshpass", "mongo", "mongosh", "mongodump", "mongorestore", "useradd", "usermod"), attached=("-p",), separate=("-p",)),
        ProgramFlags(programs=("login",), separate=("-p",)),  # docker login, podman login, helm registry login, az login; docker run -p is a port
        ProgramFlags(programs=("curl",), attached=("-u", "-U"), separate=("-u", "--user", "-U", "--proxy-user")),
        ProgramFlags(programs=("http", "https", "redis-cli"), attached=("-a",), separate=("-a", "--auth")),
        ProgramFlags(programs=("ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldappasswd"), attached=("-w",), separate=("-w",)),
        ProgramFlags(programs=("smbclient", "rpcclient"), attached=("-U",), separate=("-U", "--user")),
        ProgramFlags(programs=("zip", "unzip", "sqlcmd", "bcp"), attached=("-P",), separate=("-P",)),
        ProgramFlags(programs=("openssl",), separate=("-k", "-K")),
        ProgramFlags(programs=("xfreerdp", "wlfreerdp"), attached=("/p:",)),
    )
    """Flags by program."""


@dataclass(slots=True)
class _Tables:
    """What is looked up for a word."""

    attached: dict[str, tuple[str, ...]] = field(default_factory=dict)
    separate: dict[str, frozenset[str]] = field(default_factory=dict)


class Redactor:
    """
    Finds secrets by one `RedactConfig`.

    Raises:
        DocumentError: a pattern of the configuration is not RE2.
    """

    def __init__(self, config: RedactConfig) -> None:
        self._enabled = config.enabled
        names = "|".join(f"(?:{name})" for name in config.names) or r"[^\s\S]"
        self._name = patterns.compile(f"(?i){names}", capture=False)
        self._innocent = patterns.compile("(?i)" + ("|".join(f"(?:{name})" for name in config.innocent_names) or r"[^\s\S]"))
        self._shapes = tuple(_shape(shape) for shape in config.shapes)
        self._tables = _Tables()
        for entry in config.programs:
            for program in entry.programs:
                self._tables.attached[program] = entry.attached
                self._tables.separate[program] = frozenset(entry.separate)
        shapes = "|".join(f"(?:{shape})" for shape in config.shapes) or r"[^\s\S]"
        programs = "|".join(_quoted(program) for entry in config.programs for program in entry.programs) or r"[^\s\S]"
        # A value, quoted or up to what ends one in scripts, URLs, JSON and connection strings.
        value = r"(?:(?:bearer|basic|digest|negotiate|token)\s+)?(?:\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s\"'&;,|)}\x00]+)"
        named = rf"(/?)([\w.-]*(?:{names})[\w.-]*)([\"'\\]*\s*[=:]\s*)"
        self._pair = patterns.compile(rf"(?is){named}({value})")
        self._header = patterns.compile(rf"(?is)(-*[\w.-]*(?:{names})[\w.-]*)(=|:\s*)(.+)")
        self._shape_trigger = patterns.compile(f"(?i){shapes}", capture=False)
        self._trigger = patterns.compile(
            rf"(?i)(?:{named}|-[\w.-]*(?:{names})[\w.-]*(?:[\x00\s\"']|$)|(?:^|[^\w.-])(?:{programs})(?:[\x00\s\"']|$)|{shapes})", capture=False
        )
        # A script's word: quoted parts and bare ones, without a space between them.
        self._word = patterns.compile(r"(?s)(?:\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|\\.|[^\s\"'\\;|&()])+|\\$")
        self._option = patterns.compile(rf"(?i)-[\w.-]*(?:{names})[\w.-]*", capture=False)
        self._is_name = lru_cache(NAMES_KEPT)(self._names_a_secret)
        self._is_option = lru_cache(NAMES_KEPT)(self._is_secret_option)
        self._cut_url = patterns.compile(r"(?i)(:/{1,3}[^\s/:@\"'<>]*:)[^\s/\"'<>]*$")

    def args(self, args: Sequence[str], *, cut: bool = False) -> list[str] | None:
        """
        Redact a command line's arguments.

        Args:
            args: The arguments, the program's own name first.
            cut: The last argument has lost its end, so that a URL's ``@`` may be missing.

        Returns:
            As many arguments with `MARK` where secrets stood, or None when there is nothing to redact.
        """
        if not self._enabled:
            return None
        if self._trigger.search("\0".join(args)) is None and not (cut and args and ":/" in args[-1]):
            return None
        redacted = self._command(list(args), 0)
        if cut and redacted:
            redacted[-1] = self._cut_url.sub(lambda match: f"{match.group(1)}{MARK}", redacted[-1])
        return redacted if redacted != list(args) else None

    def text(self, text: str) -> str:
        """Redact *text* that may quote a command line, as a finding's message does."""
        if not self._enabled or self._trigger.search(text) is None:
            return text
        return self._script(text, 0)

    def path(self, path: str) -> str:
        """Redact *path* where it has the shape of a secret; a file may be called ``password=``, and is evidence."""
        if not self._enabled or self._shape_trigger.search(path) is None:
            return path
        return self._by_shape(path)

    def may_hold_secret(self, joined: str) -> bool:
        """Tell whether `path` could change any of the paths in *joined* (they are joined by NUL): one search for many."""
        return self._enabled and self._shape_trigger.search(joined) is not None

    def is_quiet(self, joined: str) -> bool:
        """Tell whether nothing in *joined* (arguments and paths, joined by NUL) could be a secret: one search, which is all that most findings need."""
        return not self._enabled or self._trigger.search(joined) is None

    def _command(self, words: list[str], depth: int, whole: Sequence[str] = ()) -> list[str]:
        """Redact a list of arguments, or of a script's words; *whole* has the words with their quotes."""
        done: list[str] = []
        program = ""
        is_secret = False
        previous = ""
        for at, word in enumerate(words):
            if is_secret:
                done.append(MARK)
                is_secret = False
            else:
                name = word.rsplit("/", 1)[-1].rsplit("=", 1)[-1]
                program = name if name in self._tables.attached else program
                is_secret = word in self._tables.separate.get(program, ()) or (word.startswith("-") and self._is_option(word))
                is_script = previous.startswith("-") and previous.endswith("c")
                is_seen = depth > 0 and whole[at] == word  # without quotes: what `_script` finds, it found in the whole text
                done.append(word if is_secret else self._argument(word, program, depth, is_script=is_script, is_seen=is_seen))
            previous = word
        return done

    def _argument(self, word: str, program: str, depth: int, *, is_script: bool, is_seen: bool) -> str:
        for flag in self._tables.attached.get(program, ()):
            if word.startswith(flag) and len(word) > len(flag) and not word.startswith("--"):
                return flag + MARK
        option, equals, _ = word.partition("=")
        if equals and option in self._tables.separate.get(program, ()):
            return f"{option}={MARK}"
        if not is_script and depth == 0:
            header = self._header.fullmatch(word)
            if header is not None and self._is_name(header.group(1) or "") and not (header.group(2) or "").startswith(":/"):
                return f"{header.group(1)}{header.group(2)}{MARK}"
        return word if is_seen else self._script(word, depth)

    def _script(self, text: str, depth: int) -> str:
        """Redact text that may be a command line of its own."""
        if self._shape_trigger.search(text) is not None:
            text = self._by_shape(text)
        if "=" in text or ":" in text:
            text = self._pairs(text)
        if depth >= MAX_DEPTH or not any(character in text for character in " \t\n\"'"):
            return text
        places = [match.span() for match in self._word.finditer(text)]
        words = [text[begin:end] for begin, end in places]
        bare = [word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word for word in words]
        pieces: list[str] = []
        at = 0
        for (begin, end), word, inner, redacted in zip(places, words, bare, self._command(bare, depth + 1, whole=words), strict=True):
            pieces.append(text[at:begin])
            pieces.append(word if redacted == inner else word.replace(inner, redacted, 1))
            at = end
        return "".join((*pieces, text[at:]))

    def _pairs(self, text: str) -> str:
        """Replace the values of secret names: ``name=value``, ``name: value``, ``"name": "value"``."""

        def replace(match: patterns.Match) -> str:
            slash, name, separator, value = (match.group(group) or "" for group in (1, 2, 3, 4))
            if (slash and ":" in separator) or not self._is_name(name):  # /etc/passwd:/etc/passwd is a mount
                return match.group() or ""
            quote = value[0] if value[0] in "\"'" else ""
            return f"{slash}{name}{separator}{quote}{MARK}{quote if len(value) > 1 and value.endswith(quote) else ''}"

        return self._pair.sub(replace, text)

    def _by_shape(self, text: str) -> str:
        for pattern, replace in self._shapes:
            text = pattern.sub(replace, text)
        return text

    def _names_a_secret(self, name: str) -> bool:
        return self._name.search(self._innocent.sub("", name)) is not None

    def _is_secret_option(self, word: str) -> bool:
        return self._option.fullmatch(word) is not None and self._is_name(word)


def _shape(shape: str) -> tuple[patterns.Pattern, Callable[[patterns.Match], str]]:
    """A shape's pattern and what replaces a match of it: all but group 1, or without groups nothing, stays."""
    pattern = patterns.compile(f"(?i){shape}")
    secret = min(pattern.groups, 1)

    def replace(match: patterns.Match) -> str:
        whole = match.group() or ""
        at = match.span()[0]
        begin, end = match.span(secret)
        return f"{whole[: begin - at]}{MARK}{whole[end - at :]}" if begin >= 0 else whole

    return pattern, replace


def _quoted(text: str) -> str:
    return "".join(character if character.isalnum() else f"\\{character}" for character in text)
